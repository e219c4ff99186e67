"""``compress-onnx bench``: latency of several files in one interleaved run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx import config
from compress_onnx.cli.options import Batch, Calls, Json, Rounds, Seed, Threads
from compress_onnx.cli.runs import plan_of
from compress_onnx.cli.terminal import progress_bars, put, say, show_table

if TYPE_CHECKING:
    from compress_onnx.records import LatencyComparison, Measure


def bench(
    models: Annotated[list[Path], typer.Argument(help="ONNX files, baseline first.")],
    *,
    threads: Threads = config.THREADS.default,
    batch: Batch = config.BATCH.default,
    rounds: Rounds = config.ROUNDS.default,
    calls: Calls = config.CALLS.default,
    seed: Seed = config.SEED.default,
    as_json: Json = False,
) -> None:
    """Time ONNX models against each other: interleaved rounds in random order, raw values kept.

    Example: compress-onnx bench lenet5.onnx lenet5-w8a8.onnx --rounds 20
    """
    from compress_onnx.runtime.cpu import environment
    from compress_onnx.study.timing import time_files

    config.SEED.check(seed)
    plan = plan_of(threads=threads, batch=batch, rounds=rounds, calls=calls)
    with progress_bars() as stages:
        found = time_files(models, plan, seed=seed, progress=stages("latency"))
    if as_json:
        facts = {
            "models": [str(path) for path in models],
            "environment": dataclasses.asdict(environment()),
            "latency": [dataclasses.asdict(comparison) for comparison in found],
        }
        put(json.dumps(facts, allow_nan=False))
        return
    show_table(
        f"batch {batch}, {threads} thread(s), {rounds} rounds of {calls} calls",
        ("model", "p50 ms", "p90 ms", "p99 ms", "load ms", "speed-up (95 %)"),
        _rows(models, found),
    )
    for warning in dict.fromkeys(warning for comparison in found for warning in comparison.warnings):
        say(f"Warning: {warning}")


def _rows(models: Sequence[Path], found: Sequence[LatencyComparison]) -> list[tuple[str, ...]]:
    runs = [found[0].baseline, *(comparison.candidate for comparison in found)]
    speedups = ["", *(_speedup(comparison.speedup) for comparison in found)]
    return [
        (
            path.name,
            _number(run.p50_ms),
            _number(run.p90_ms),
            _number(run.p99_ms),
            f"{run.load_ms:.1f}",
            speedup,
        )
        for path, run, speedup in zip(models, runs, speedups, strict=True)
    ]


def _number(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:.4g}"


def _speedup(measure: Measure) -> str:
    if measure.value is None or measure.interval is None:
        return "–" if measure.value is None else f"{measure.value:.2f}x"
    low, high = measure.interval.low, measure.interval.high
    doubt = " not significant" if low <= 1 <= high else ""
    return f"{measure.value:.2f}x [{low:.2f}, {high:.2f}]{doubt}"
