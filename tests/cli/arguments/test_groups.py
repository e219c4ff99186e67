"""A group of options stands in a command's signature as if each were written there."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from compress_onnx.cli.arguments.groups import option_groups


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    depth: Annotated[int, typer.Option(help="Deep.")] = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    name: Annotated[str, typer.Option("--called", help="Name.")]
    inner: Inner
    loud: Annotated[bool, typer.Option(help="Loud.")] = False


def made(**defaults: Any) -> tuple[Any, list[Any]]:
    calls: list[Any] = []

    @option_groups(**defaults)
    def command(file: str, *, before: int = 0, outer: Outer, after: int = 9) -> None:
        """Do it."""
        calls.append((file, before, outer, after))

    return command, calls


def test_options_stand_where_the_group_stood_in_the_groups_order() -> None:
    command, _ = made()
    assert list(inspect.signature(command).parameters) == ["file", "before", "name", "depth", "loud", "after"]
    assert command.__doc__ == "Do it."


def test_the_command_is_called_with_groups_filled() -> None:
    command, calls = made()
    command(file="f", before=1, name="n", depth=2, loud=True, after=3)
    assert calls == [("f", 1, Outer(name="n", inner=Inner(depth=2), loud=True), 3)]


def test_a_command_may_have_other_defaults() -> None:
    command, _ = made(depth=5, loud=True)
    defaults = {name: option.default for name, option in inspect.signature(command).parameters.items()}
    assert (defaults["depth"], defaults["loud"], defaults["after"]) == (5, True, 9)
    assert defaults["name"] is inspect.Parameter.empty


@pytest.mark.parametrize(("words", "code"), [(["f", "--called", "x", "--depth", "3", "--no-loud"], 0), (["f"], 2)])
def test_typer_reads_them_as_its_own(words: list[str], code: int) -> None:
    command, calls = made()
    program = typer.Typer()
    program.command()(command)
    assert CliRunner().invoke(program, words).exit_code == code
    assert calls == ([] if code else [("f", 0, Outer(name="x", inner=Inner(depth=3)), 9)])
