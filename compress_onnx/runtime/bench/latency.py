"""Latency of several files in one interleaved run: fresh processes each round, raw milliseconds per call."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import DataError
from compress_onnx.model import Model
from compress_onnx.options import BATCH, CALLS, DURATION, ROUNDS, THREADS, Progress, silent
from compress_onnx.ort import filled
from compress_onnx.records import LatencyRun
from compress_onnx.runtime.bench.noise_warnings import machine_warnings, throttling, throttling_warnings
from compress_onnx.runtime.bench.quantiles import quantile_measure, tail_measure, throughput
from compress_onnx.runtime.bench.rounds import InterleavedRound, RoundTiming, Start, WorkerOptions
from compress_onnx.runtime.cpu import core_numbers, worker_cores
from compress_onnx.runtime.workers import Worker, local_command

_NS_PER_MS = 1e6


def start_here() -> Worker:
    """Return a worker of this environment on this machine, not started yet."""
    return Worker(local_command(), name="worker on this machine")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPlan:
    """How latency is measured: ``rounds`` x ``calls`` timed calls of ``batch`` images per model.

    Each round starts a fresh process per model, so that what a process keeps for its life (where its
    memory lies) is drawn again. ``duration_s``, timed seconds per model over all rounds, takes the place of
    ``calls`` where it is given. ``spinning`` is ORT's busy waiting between operators. ``start`` makes the workers.
    """

    threads: int = THREADS.default
    batch: int = BATCH.default
    rounds: int = ROUNDS.default
    calls: int = CALLS.default
    duration_s: float | None = None
    spinning: bool = True
    start: Start = start_here

    def checked(self) -> LatencyPlan:
        """Return the plan if its numbers lie within their bounds, else raise ``OptionError``."""
        for option, value in ((THREADS, self.threads), (BATCH, self.batch), (ROUNDS, self.rounds), (CALLS, self.calls)):
            option.check(value)
        if self.duration_s is not None:
            DURATION.check(self.duration_s)
        return self

    def setting(self) -> WorkerOptions:
        """Return how the workers run on this machine."""
        cores = worker_cores(self.threads, core_numbers())
        return WorkerOptions(threads=self.threads, spinning=self.spinning, cores=cores)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """One run per file, and ``repeat``: the baseline's file once more in processes of its own (A/A).

    ``cores`` are those that the workers were kept on, empty where they were not.
    """

    runs: tuple[LatencyRun, ...]
    repeat: LatencyRun
    cores: tuple[int, ...]
    warnings: tuple[str, ...]


def measure_latency(
    models: Sequence[Path | Model],
    inputs: NDArray[np.float32],
    *,
    plan: LatencyPlan,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> Timings:
    """Time every file on the first ``plan.batch`` images, in rounds of random order; baseline first.

    ``inputs`` (N, C, H, W) or (N, H, W, C) float32, repeated where N is below the batch. The runs
    come in the order of ``models``; their values are in the order of rounds, equally many each.

    Errors
    ------
    OptionError
        if the plan is out of bounds or a file takes another batch only.
    ModelError
        if a file cannot be loaded or run.
    WorkerError
        if a worker process fails.
    DataError
        if there are no images.
    """
    images = timing_batch(inputs, plan.checked().batch)
    setting = plan.setting()
    timed = InterleavedRound(models=(*models, models[0]), images=images, setting=setting, start=plan.start)
    warnings, before = machine_warnings(plan.threads), throttling()
    rounds = _rounds(timed, plan, rng, progress)
    runs = [latency_run(own, batch=plan.batch) for own in zip(*rounds, strict=True)]
    return Timings(
        runs=tuple(runs[:-1]),
        repeat=runs[-1],
        cores=setting.cores,
        warnings=(*warnings, *throttling_warnings(before, throttling())),
    )


def _rounds(
    timed: InterleavedRound, plan: LatencyPlan, rng: np.random.Generator, progress: Progress
) -> list[tuple[RoundTiming, ...]]:
    calls: Sequence[int] | float = [plan.calls] * len(timed.models)
    if plan.duration_s is not None:
        calls = plan.duration_s / plan.rounds
    rounds = []
    for done in range(1, plan.rounds + 1):
        rounds.append(timed.run(calls, rng))
        # The first round's warm-up decides, and every later round makes as many calls.
        calls = [len(timing.values_ns) for timing in rounds[0]]
        progress(done / plan.rounds, f"timing round {done} of {plan.rounds}")
    return rounds


def timing_batch(inputs: NDArray[np.float32], batch: int) -> NDArray[np.float32]:
    """Return ``batch`` images, repeating the given ones in order where there are fewer.

    >>> timing_batch(np.array([[1.0], [2.0]], np.float32), 3).ravel().tolist()
    [1.0, 2.0, 1.0]
    """
    if not len(inputs):
        raise DataError("at least one image to time with", "none", remedy="Give a data set with images.")
    return np.ascontiguousarray(filled(inputs, batch), np.float32)


def latency_run(rounds: Sequence[RoundTiming], *, batch: int) -> LatencyRun:
    """Return a record of one model's rounds with its p50, p90 and, from 662 calls, p99.

    Load, first call and memory are medians over the rounds' processes.
    """
    values = [value / _NS_PER_MS for timing in rounds for value in timing.values_ns]
    timed = np.asarray(values, np.float64)
    p50 = quantile_measure(timed, 0.5)
    return LatencyRun(
        values_ms=tuple(values),
        warmup_ms=tuple(value / _NS_PER_MS for timing in rounds for value in timing.warmup_ns),
        load_ms=float(np.median([timing.load_ns for timing in rounds])) / _NS_PER_MS,
        p50_ms=p50,
        p90_ms=quantile_measure(timed, 0.9),
        p99_ms=tail_measure(timed, 0.99),
        loads_ms=tuple(timing.load_ns / _NS_PER_MS for timing in rounds),
        firsts_ms=tuple(timing.first_ns / _NS_PER_MS for timing in rounds),
        first_ms=float(np.median([timing.first_ns for timing in rounds])) / _NS_PER_MS,
        resident_bytes=_typical([timing.resident_bytes for timing in rounds]),
        peak_bytes=_typical([timing.peak_bytes for timing in rounds]),
        throughput=throughput(p50, batch),
    )


def _typical(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return int(np.median(known)) if known else None
