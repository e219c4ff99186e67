"""The commands, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

from compress_onnx.cli.commands import bench
from compress_onnx.cli.commands import check
from compress_onnx.cli.commands import compare
from compress_onnx.cli.commands import demo
from compress_onnx.cli.commands import export
from compress_onnx.cli.commands import gate
from compress_onnx.cli.commands import inspect
from compress_onnx.cli.commands import list_names
from compress_onnx.cli.commands import prune
from compress_onnx.cli.commands import quantize
from compress_onnx.cli.commands import report
from compress_onnx.cli.commands import study
from compress_onnx.cli.output import put
from compress_onnx.cli.commands import train

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
