"""``compress-onnx compare``: any ONNX classifiers against a baseline, on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx import config
from compress_onnx.cli.options import (
    Batch,
    Cache,
    Calls,
    Data,
    Json,
    Layout,
    Mean,
    Out,
    Rounds,
    Saliency,
    SaliencySamples,
    SaliencyTarget,
    Seed,
    Size,
    Std,
    Target,
    UsedThreads,
    preprocessing_of,
)
from compress_onnx.cli.runs import AUTO, Run, finish, new_run, plan_of, saliency_method
from compress_onnx.cli.terminal import progress_bars

if TYPE_CHECKING:
    from compress_onnx.records import RunRecord
    from compress_onnx.study.options import CompareOptions


def compare(
    baseline: Annotated[Path, typer.Argument(help="FP32 ONNX file.")],
    candidates: Annotated[list[Path], typer.Argument(help="Compressed ONNX files, from any tool.")],
    *,
    data: Data,
    saliency: Saliency = AUTO,
    saliency_samples: SaliencySamples = config.SALIENCY_SAMPLES.default,
    saliency_target: SaliencyTarget = config.SALIENCY_TARGET.default,
    latency: Annotated[bool, typer.Option(help="Time the models too.")] = True,
    threads: UsedThreads = None,
    cache: Cache = True,
    batch: Batch = config.BATCH.default,
    rounds: Rounds = config.ROUNDS.default,
    calls: Calls = config.CALLS.default,
    seed: Seed = config.SEED.default,
    target: Target = "",
    mean: Mean = "",
    std: Std = "",
    size: Size = "",
    layout: Layout = "NCHW",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare compressed ONNX classifiers with their baseline and write a report.

    Example: compress-onnx compare lenet5.onnx lenet5-w8a8.onnx --data gtsrb
    """
    from compress_onnx.study.options import CompareOptions

    options = CompareOptions(
        saliency=saliency_method(saliency),
        saliency_samples=saliency_samples,
        saliency_target=saliency_target,
        latency=plan_of(threads=threads or config.THREADS.default, batch=batch, rounds=rounds, calls=calls)
        if latency
        else None,
        threads=threads,
        cache=cache,
        seed=seed,
        target=target or None,
        preprocessing=preprocessing_of(baseline, mean=mean, std=std, size=size, layout=layout),
    )
    run = new_run(out, f"compare-{baseline.stem}")
    record = compared([baseline, *candidates], data, options, run)
    finish(record, run.folder, as_json=as_json)


def compared(paths: Sequence[Path], data: str, options: CompareOptions, run: Run) -> RunRecord:
    """Run a comparison with progress bars and return its record."""
    from compress_onnx.data.sources import load_data
    from compress_onnx.study.calibration import manifests_of
    from compress_onnx.study.compare import Job, compare_models
    from compress_onnx.study.contestants import named_entries

    images = load_data(data)
    job = Job(
        entries=named_entries(paths),
        images=images,
        options=options,
        folder=run.folder,
        command=run.command,
        started_at=run.started_at,
        manifests=manifests_of(paths),
    )
    with progress_bars() as stages:
        return compare_models(job, stages=stages)
