"""Flags that commands share, and how a declared option becomes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from compress_onnx.errors import OptionError
from compress_onnx.options import SEED, ChoiceOption, NumberOption


def flag(option: NumberOption[Any] | ChoiceOption, *, more: str = "") -> Any:
    """Return the flag of a declared option: its help, with ``more`` said, and its check as soon as it is given."""
    return typer.Option(help=f"{option.help} {more}".strip(), callback=_checked(option))


def _checked(option: NumberOption[Any] | ChoiceOption) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        return None if value is None else option.check(value)

    return check


Seed = Annotated[int, flag(SEED)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; beside the input by default.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run; reports/<run id> by default.")]


def counts(text: str, option: NumberOption[int]) -> tuple[int, ...]:
    """Return whole numbers joined by commas, each within the option's bounds and each once, in their order.

    >>> from compress_onnx.options import BATCH
    >>> counts("1,8,1,32", BATCH)
    (1, 8, 32)

    Errors
    ------
    OptionError
        if the text is written otherwise, or a number is out of bounds.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"--{option.name} as whole numbers joined by commas", repr(text)) from None
    return tuple(dict.fromkeys(option.check(number) for number in numbers))
