"""The commands, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

from compress_onnx.cli.commands import (
    bench,
    check,
    compare,
    demo,
    export,
    gate,
    inspect,
    list_names,
    prune,
    quantize,
    report,
    study,
    train,
)
from compress_onnx.cli.output import put

app = typer.Typer(
    name="compress-onnx",
    help="The referee for compressed image classifiers: what a compressed ONNX model does differently, "
    "how fast and large it really is, and whether it may ship.",
    epilog="Exit codes: 0 done or passed, 1 gate failed, 2 the user can fix it, 3 inconclusive, 70 a bug.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001  # the signature typer calls
    if wanted:
        from compress_onnx import __version__

        put(f"compress-onnx {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


for _command in (demo, train, export, prune, quantize, compare, bench, inspect, gate, check, study, report):
    app.command()(_command)
app.command(name="list")(list_names)
