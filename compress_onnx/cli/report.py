"""``compress-onnx report``: the page of a run, made again from its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress_onnx.cli.terminal import put


def report(run: Annotated[Path, typer.Argument(help="A run's folder or its run.json.")]) -> None:
    """Write a run's HTML report again.

    Example: compress-onnx report reports/20260102-150405-demo-lenet5-digits
    """
    from compress_onnx.study.pictures import write_report

    put(str(write_report(run)))
