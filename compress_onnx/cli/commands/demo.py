"""``compress-onnx demo``: the whole chain on data that comes with the package."""

from __future__ import annotations

from typing import Annotated

import typer

from compress_onnx.cli.arguments import Json, Out, SaliencySamples, Seed
from compress_onnx.cli.output import finish, new_run, progress_bars, say
from compress_onnx.options import SALIENCY_SAMPLES, SEED

RECIPES = ("prune:0.5", "w8a8", "prune:0.5+w8a8")


def demo_command(
    *,
    model: Annotated[str, typer.Option(help="A trained model of models/, <network>-<dataset>.")] = "lenet5-digits",
    recipes: Annotated[list[str] | None, typer.Option("--recipe", help="A recipe; may be given again.")] = None,
    saliency_samples: SaliencySamples = SALIENCY_SAMPLES.default,
    seed: Seed = SEED.default,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compress a trained LeNet-5 in three ways and compare each with its FP32 original.

    Exports the network, prunes half of its weights, quantizes it to 8 bits, does both, runs all of
    them, and writes a report. The handwritten digits come with scikit-learn: nothing is downloaded.

    Example: compress-onnx demo
    """
    from compress_onnx.extras import require_extra

    require_extra("torch", command="compress-onnx demo")
    from compress_onnx.comparison import CompareOptions, stored_run
    from compress_onnx.runtime import LatencyPlan
    from compress_onnx.study import CellRun, StudyCell, run_cell

    options = CompareOptions(saliency="gradient", saliency_samples=saliency_samples, latency=LatencyPlan(), seed=seed)
    cell = StudyCell(model=model, dataset=model.rpartition("-")[2], recipes=tuple(recipes or RECIPES), options=options)
    run = new_run(out, f"demo-{model}")
    say(f"Comparing {len(cell.recipes)} compressed versions of {model} with FP32.")
    with progress_bars() as stages:
        cell_run = CellRun(folder=run.folder, command=run.command, started_at=run.started_at)
        run_cell(cell, cell_run, stages=stages)
    finish(stored_run(run.folder), run.folder, as_json=as_json)
