"""``compress-onnx compare``: any ONNX classifiers against a baseline, on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments import ComparisonFlags, option_groups
from compress_onnx.cli.output import Run, finish, new_run, progress_bars

if TYPE_CHECKING:
    from compress_onnx.comparison import CompareOptions, RunResults


@option_groups()
def compare_command(
    baseline: Annotated[Path, typer.Argument(help="FP32 ONNX file.")],
    candidates: Annotated[list[Path], typer.Argument(help="Compressed ONNX files, from any tool.")],
    *,
    comparison: ComparisonFlags,
) -> None:
    """Compare compressed ONNX classifiers with their baseline and write a report.

    Example: compress-onnx compare lenet5.onnx lenet5-w8a8.onnx --data gtsrb
    """
    options = comparison.options(baseline)
    run = new_run(comparison.out, f"compare-{baseline.stem}")
    results = stored_comparison([baseline, *candidates], comparison.data, options, run)
    finish(results, run.folder, as_json=comparison.as_json)


def stored_comparison(paths: Sequence[Path], data: str, options: CompareOptions, run: Run) -> RunResults:
    """Run a comparison with progress bars, store it and return it."""
    from compress_onnx.comparison import Job, compared, named_models, save_new
    from compress_onnx.data import load_data

    images = load_data(data)
    job = Job(
        models=named_models(paths),
        images=images,
        options=options,
        folder=run.folder,
        command=run.command,
        started_at=run.started_at,
    )
    with progress_bars() as stages:
        return save_new(compared(job, stages=stages), run.folder)
