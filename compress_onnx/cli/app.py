"""The program: its commands gathered, its arguments run, its process ended."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from compress_onnx.cli import exit_codes
from compress_onnx.cli.commands import (
    bench_command,
    check_command,
    compare_command,
    demo_command,
    export_command,
    gate_command,
    inspect_command,
    list_command,
    prune_command,
    quantize_command,
    report_command,
    study_command,
    train_command,
)
from compress_onnx.cli.error_handling import exit_code_of
from compress_onnx.cli.output import command_words, put

# In the order of the help: from the first look to the upkeep.
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo_command,
    "train": train_command,
    "export": export_command,
    "prune": prune_command,
    "quantize": quantize_command,
    "compare": compare_command,
    "bench": bench_command,
    "inspect": inspect_command,
    "gate": gate_command,
    "check": check_command,
    "study": study_command,
    "report": report_command,
    "list": list_command,
}

app = typer.Typer(
    name="compress-onnx",
    help="The referee for compressed image classifiers: what a compressed ONNX model does differently, "
    "how fast and large it really is, and whether it may ship.",
    epilog=exit_codes.in_words(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Run the command line of this process and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets a question mark, not a failure after the work is done.
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left; what is buffered goes nowhere, and the exit code still says how it ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command, given without the program's name, and return its exit code."""
    command_words.set(tuple(arguments))
    return exit_code_of(functools.partial(app, args=list(arguments), prog_name="compress-onnx"))


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
