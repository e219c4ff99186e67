"""``compress-onnx check``: compare and gate in one step, for a release pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress_onnx import config
from compress_onnx.cli.compare import compared
from compress_onnx.cli.options import (
    Cache,
    Data,
    Json,
    Layout,
    Mean,
    Out,
    Saliency,
    SaliencySamples,
    Seed,
    Size,
    Std,
    Target,
    UsedThreads,
    preprocessing_of,
)
from compress_onnx.cli.runs import new_run, plan_of, saliency_method
from compress_onnx.cli.verdicts import Against, Lock, Renamed, Summary, judge, renamed


def check(
    baseline: Annotated[Path, typer.Argument(help="FP32 ONNX file.")],
    candidates: Annotated[list[Path], typer.Argument(help="Compressed ONNX files, from any tool.")],
    *,
    data: Data,
    policy: Annotated[Path, typer.Option("--policy", help="Policy in TOML; gate --init FILE writes one.")],
    against: Against = None,
    candidate: Renamed = None,
    lock: Lock = None,
    summary: Summary = None,
    saliency: Saliency = "none",
    saliency_samples: SaliencySamples = config.SALIENCY_SAMPLES.default,
    latency: Annotated[bool, typer.Option(help="Time the models too.")] = False,
    threads: UsedThreads = None,
    cache: Cache = True,
    seed: Seed = config.SEED.default,
    target: Target = "",
    mean: Mean = "",
    std: Std = "",
    size: Size = "",
    layout: Layout = "NCHW",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare, then decide by a policy: exit 0 pass, 1 fail, 3 inconclusive.

    Example: compress-onnx check lenet5.onnx lenet5-w8a8.onnx --data gtsrb --policy policy.toml
    """
    from compress_onnx.gate.policy import load_policy
    from compress_onnx.study.judgement import Terms
    from compress_onnx.study.options import CompareOptions

    terms = Terms(policy=load_policy(policy), against=against, lock=lock, renamed=renamed(candidate)).readable()
    options = CompareOptions(
        saliency=saliency_method(saliency),
        saliency_samples=saliency_samples,
        latency=plan_of(threads=threads or config.THREADS.default) if latency else None,
        threads=threads,
        cache=cache,
        seed=seed,
        target=target or None,
        preprocessing=preprocessing_of(baseline, mean=mean, std=std, size=size, layout=layout),
    )
    run = new_run(out, f"check-{baseline.stem}")
    record = compared([baseline, *candidates], data, options, run)
    raise typer.Exit(judge(run.folder, record, terms, summary=summary, as_json=as_json))
