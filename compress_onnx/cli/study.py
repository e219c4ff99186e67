"""``compress-onnx study``: a grid of networks, data sets and recipes."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from compress_onnx.cli.options import Json, Out
from compress_onnx.cli.runs import new_run, show_summary
from compress_onnx.cli.terminal import progress_bars, put, say


def study(
    spec: Annotated[Path, typer.Argument(help="Specification in TOML: networks, datasets, recipes, seeds.")],
    *,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run every cell of a grid on the full test sets; started again, it goes on where it stopped.

    Example: compress-onnx study grid.toml --out reports/grid
    """
    from compress_onnx.extras import require_extra

    require_extra("torch", command="compress-onnx study")
    from compress_onnx.study.grid import load_spec, run_grid
    from compress_onnx.study.reports import write_study_page

    cells = load_spec(spec)
    run = new_run(out or Path("reports") / spec.stem, spec.stem)
    with progress_bars() as stages:
        finished = list(
            run_grid(cells, run.folder, command=run.command, now=lambda: datetime.now().astimezone(), stages=stages)
        )
    page = write_study_page(run.folder)
    if as_json:
        put(json.dumps({cell.name: dataclasses.asdict(cell.record) for cell in finished}, allow_nan=False))
        return
    for cell in finished:
        show_summary(cell.record)
        say(f"Report: {cell.folder / 'report.html'}")
    say(f"All cells: {page}")
