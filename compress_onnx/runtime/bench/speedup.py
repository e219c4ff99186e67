"""What interleaved latency runs say about each other: the speed-up, and whether it is more than this machine's noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from compress_onnx.metrics import LEVEL
from compress_onnx.records import Better, Interval, LatencyComparison, LatencyRun, Measure, undefined
from compress_onnx.runtime.bench.latency import LatencyPlan, Timings
from compress_onnx.runtime.bench.noise_warnings import spread_warnings

_RESAMPLES = 10_000
# Six rounds all on one side of 1 are as likely as 2 in 64; with fewer no 95 % statement is possible.
_FEWEST_ROUNDS = 6
# A clock can be too coarse for a very small model: its tick is the least a call can take.
_TICK_MS = 1e-6


def compare_latency(timings: Timings, place: int, *, plan: LatencyPlan, rng: np.random.Generator) -> LatencyComparison:
    """Put the run at ``place`` beside the baseline, the first of ``timings``, and beside the machine's noise."""
    baseline, candidate = timings.runs[0], timings.runs[place]
    before, after, again = (run_medians(run, plan.rounds) for run in (baseline, candidate, timings.repeat))
    speedup = paired_speedup(before, after, rng=rng)
    floor = noise_floor(before, again, rng=rng)
    return LatencyComparison(
        threads=plan.threads,
        batch=plan.batch,
        rounds=plan.rounds,
        baseline=baseline,
        candidate=candidate,
        speedup=speedup,
        warnings=(
            *timings.warnings,
            *spread_warnings("baseline", baseline.values_ms),
            *spread_warnings("candidate", candidate.values_ms),
            *_too_few_rounds(plan.rounds),
        ),
        spinning=plan.spinning,
        cores=timings.cores,
        repeat_ms=tuple(again.tolist()),
        noise_floor=floor,
        significant=is_significant(speedup, floor),
    )


def run_medians(run: LatencyRun, rounds: int) -> NDArray[np.float64]:
    """Return the median of each round of a run, (rounds,)."""
    return round_medians(np.asarray(run.values_ms), rounds)


def round_medians(values_ms: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
    """Return the median of each round, (rounds,), of values (rounds * calls,) in order of rounds.

    >>> round_medians(np.array([1.0, 2.0, 9.0, 4.0, 4.0, 5.0]), 2).tolist()
    [2.0, 4.0]
    """
    return np.asarray(np.median(values_ms.reshape(rounds, -1), axis=1))


def paired_speedup(
    baseline_ms: NDArray[np.float64], candidate_ms: NDArray[np.float64], *, rng: np.random.Generator
) -> Measure:
    """Return how many times faster the candidate is: the typical ratio of paired round medians.

    exp(median(log(baseline / candidate))) over the rounds, (R,) each, so that swapping the two
    inverts the result; the interval is the percentile bootstrap over rounds (Efron 1979), left out
    below 6 rounds. Where every round has processes of its own, what differs between two processes of
    one file is inside the interval. Above 1 the candidate is faster.

    >>> measure = paired_speedup(np.full(10, 3.0), np.full(10, 1.5), rng=np.random.default_rng(0))
    >>> round(measure.value, 9), measure.n
    (2.0, 10)
    """
    logs = np.log(np.maximum(baseline_ms, _TICK_MS)) - np.log(np.maximum(candidate_ms, _TICK_MS))
    rounds = len(logs)
    interval = None
    if rounds >= _FEWEST_ROUNDS:
        drawn = np.median(logs[rng.integers(rounds, size=(_RESAMPLES, rounds))], axis=1)
        low, high = np.exp(np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
        interval = Interval(
            low=float(low), high=float(high), level=LEVEL, method="percentile bootstrap of paired rounds"
        )
    return Measure(
        value=float(np.exp(np.median(logs))), unit="ratio", better=Better.HIGHER, n=rounds, interval=interval
    )


def noise_floor(
    baseline_ms: NDArray[np.float64], repeat_ms: NDArray[np.float64], *, rng: np.random.Generator
) -> Measure:
    """Return how far apart two copies of one file may seem on this machine, as a ratio less one.

    The far end of the interval of :func:`paired_speedup` between the baseline and itself (A/A), in logarithms.

    >>> ours, again = np.array([2.0] * 8), np.array([2.0, 2.1] * 4)
    >>> round(noise_floor(ours, again, rng=np.random.default_rng(0)).value, 3)
    0.05
    """
    between = paired_speedup(baseline_ms, repeat_ms, rng=rng).interval
    if between is None:
        reason = f"the noise floor needs at least {_FEWEST_ROUNDS} rounds, there are {len(baseline_ms)}"
        return undefined(reason, unit="fraction", better=Better.LOWER, n=len(baseline_ms))
    far = max(abs(math.log(between.low)), abs(math.log(between.high)))
    return Measure(value=math.expm1(far), unit="fraction", better=Better.LOWER, n=len(baseline_ms))


def is_significant(speedup: Measure, floor: Measure) -> bool | None:
    """Tell whether a speed-up is more than chance and more than noise, ``None`` where that is open.

    Chance: its interval excludes 1. Noise: it lies farther from 1 than two copies of one file may.
    """
    if speedup.value is None or speedup.interval is None or floor.value is None:
        return None
    excludes = not speedup.interval.low <= 1 <= speedup.interval.high
    return excludes and abs(math.log(speedup.value)) > math.log1p(floor.value)


def _too_few_rounds(rounds: int) -> tuple[str, ...]:
    if rounds >= _FEWEST_ROUNDS:
        return ()
    return (f"{rounds} rounds: the speed-up's interval needs at least {_FEWEST_ROUNDS}",)
