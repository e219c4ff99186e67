"""Latency of several files in one interleaved run: raw milliseconds per call, warm-up kept apart."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.config import BATCH, CALLS, ROUNDS, THREADS, Progress, silent
from compress_onnx.errors import DataError, OptionError
from compress_onnx.records import LatencyRun
from compress_onnx.runtime.quantiles import quantile_measure, tail_measure
from compress_onnx.runtime.session import fixed_batch, image_input, open_session, runtime_failures

Clock = Callable[[], int]
"""Tells a time in nanoseconds that never goes back."""

_NS_PER_MS = 1e6


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPlan:
    """How latency is measured: ``rounds`` x ``calls`` timed calls of ``batch`` images per model.

    ``warmup`` calls go before the first round, and one before each round, when the caches still
    hold another model. ``spinning`` is ORT's busy waiting between operators. ``clock`` tells
    nanoseconds.
    """

    threads: int = THREADS.default
    batch: int = BATCH.default
    rounds: int = ROUNDS.default
    calls: int = CALLS.default
    # The runtime's arenas and the CPU's clock settle within a few calls.
    warmup: int = 10
    spinning: bool = True
    clock: Clock = time.perf_counter_ns

    def checked(self) -> LatencyPlan:
        """Return the plan if its numbers lie within their bounds, else raise ``OptionError``."""
        for option, value in ((THREADS, self.threads), (BATCH, self.batch), (ROUNDS, self.rounds), (CALLS, self.calls)):
            option.check(value)
        return self


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Contender:
    """A loaded model and what it is fed; the place to put a worker process in between."""

    session: ort.InferenceSession
    feed: dict[str, NDArray[np.float32]]
    load_ms: float
    where: Path

    def timed(self, calls: int, *, clock: Clock) -> tuple[float, ...]:
        """Return milliseconds of each of ``calls`` calls."""
        with runtime_failures(self.where):
            return timed_calls(self.session, self.feed, calls=calls, clock=clock)


def timed_calls(
    session: ort.InferenceSession, feed: dict[str, NDArray[np.float32]], *, calls: int, clock: Clock
) -> tuple[float, ...]:
    """Return the milliseconds of ``calls`` calls of ``session.run``, one timed region each."""
    # Bound before the region: neither the lookup nor the list of outputs is the model's time.
    run, outputs = session.run, [output.name for output in session.get_outputs()]
    spent = []
    with _no_collection():
        for _ in range(calls):
            begin = clock()
            run(outputs, feed)
            spent.append(clock() - begin)
    return tuple(nanoseconds / _NS_PER_MS for nanoseconds in spent)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python's garbage collector out of the timed regions, as ``timeit`` does."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def measure_latency(
    paths: Sequence[Path],
    inputs: NDArray[np.float32],
    *,
    plan: LatencyPlan,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> tuple[LatencyRun, ...]:
    """Time every file on the first ``plan.batch`` images, in rounds of random order; baseline first.

    ``inputs`` (N, C, H, W) or (N, H, W, C) float32, repeated where N is below the batch. The runs
    come in the order of ``paths``; their values are in the order of rounds, ``plan.calls`` each.

    Errors
    ------
    OptionError
        if the plan is out of bounds or a file takes another batch only.
    ModelError
        if a file cannot be loaded or run.
    DataError
        if there are no images.
    """
    images = timing_batch(inputs, plan.checked().batch)
    contenders = [_load(path, images, plan) for path in paths]
    warmups = [list(contender.timed(plan.warmup, clock=plan.clock)) for contender in contenders]
    values: list[list[float]] = [[] for _ in contenders]
    for done, order in enumerate(round_orders(len(contenders), plan.rounds, rng), start=1):
        for place in order:
            warmups[place] += contenders[place].timed(1, clock=plan.clock)
            values[place] += contenders[place].timed(plan.calls, clock=plan.clock)
        progress(done / plan.rounds, f"timing round {done} of {plan.rounds}")
    return tuple(
        latency_run(timed, warmup_ms=warmup, load_ms=contender.load_ms)
        for timed, warmup, contender in zip(values, warmups, contenders, strict=True)
    )


def timing_batch(inputs: NDArray[np.float32], batch: int) -> NDArray[np.float32]:
    """Return ``batch`` images, repeating the given ones in order where there are fewer.

    >>> timing_batch(np.array([[1.0], [2.0]], np.float32), 3).ravel().tolist()
    [1.0, 2.0, 1.0]
    """
    if not len(inputs):
        raise DataError("at least one image to time with", "none", remedy="Give a data set with images.")
    return np.ascontiguousarray(inputs[np.arange(batch) % len(inputs)], np.float32)


def round_orders(models: int, rounds: int, rng: np.random.Generator) -> list[list[int]]:
    """Return in which order the models are timed, round by round.

    >>> sorted(round_orders(3, 1, np.random.default_rng(0))[0])
    [0, 1, 2]
    """
    return [rng.permutation(models).tolist() for _ in range(rounds)]


def latency_run(values_ms: Sequence[float], *, warmup_ms: Sequence[float], load_ms: float) -> LatencyRun:
    """Return a record of raw milliseconds with their p50, p90 and, from 662 values, p99."""
    timed = np.asarray(values_ms, np.float64)
    return LatencyRun(
        values_ms=tuple(values_ms),
        warmup_ms=tuple(warmup_ms),
        load_ms=load_ms,
        p50_ms=quantile_measure(timed, 0.5),
        p90_ms=quantile_measure(timed, 0.9),
        p99_ms=tail_measure(timed, 0.99),
    )


def _load(path: Path, images: NDArray[np.float32], plan: LatencyPlan) -> _Contender:
    begin = plan.clock()
    session = open_session(path, threads=plan.threads, spinning=plan.spinning)
    load_ms = (plan.clock() - begin) / _NS_PER_MS
    name = image_input(session, where=path).name
    batch = fixed_batch(session)
    if batch not in {None, plan.batch}:
        raise OptionError(
            f"a batch of {batch}, the only one this file takes",
            f"--batch {plan.batch}",
            where=path,
            remedy=f"Give --batch {batch}, or export the model with a dynamic batch.",
        )
    return _Contender(session=session, feed={name: images}, load_ms=load_ms, where=path)
