"""``check`` takes what ``compare`` takes."""

from __future__ import annotations

from typing import Any

import typer

from compress_onnx.cli.app import app

OWN_DEFAULTS = {"saliency", "latency"}


def parameters(command: str) -> dict[str, Any]:
    found = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]  # a group
    return {parameter.name: parameter for parameter in found}


def test_check_takes_every_option_of_compare() -> None:
    compare, check = parameters("compare"), parameters("check")
    assert set(compare) < set(check)
    for name, option in compare.items():
        twin = check[name]
        assert (option.opts, option.secondary_opts, option.help) == (twin.opts, twin.secondary_opts, twin.help)
        assert (type(option), option.required, option.nargs) == (type(twin), twin.required, twin.nargs)
        assert option.default == twin.default or name in OWN_DEFAULTS
