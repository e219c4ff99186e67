"""What two interleaved latency runs say about each other: the speed-up, and what makes it doubtful."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import psutil
from numpy.typing import NDArray

from compress_onnx.metrics.intervals import LEVEL
from compress_onnx.records import Better, Interval, LatencyComparison, LatencyRun, Measure
from compress_onnx.runtime.latency import LatencyPlan
from compress_onnx.runtime.passport import usable_cores

_RESAMPLES = 10_000
# Six rounds all on one side of 1 are as likely as 2 in 64; with fewer no 95 % statement is possible.
_FEWEST_ROUNDS = 6
# pyperf warns from a tenth on.
_UNSTABLE = 0.1


def compare_latency(
    baseline: LatencyRun,
    candidate: LatencyRun,
    *,
    plan: LatencyPlan,
    rng: np.random.Generator,
    warnings: Sequence[str],
) -> LatencyComparison:
    """Put two runs of one :func:`~compress_onnx.runtime.latency.measure_latency` side by side.

    ``warnings`` are those of the machine before measuring (:func:`machine_warnings`); the runs'
    own are added.
    """
    medians = [round_medians(np.asarray(run.values_ms), plan.rounds) for run in (baseline, candidate)]
    own = [
        *spread_warnings("baseline", baseline.values_ms),
        *spread_warnings("candidate", candidate.values_ms),
        *_too_few_rounds(plan.rounds),
    ]
    return LatencyComparison(
        threads=plan.threads,
        batch=plan.batch,
        rounds=plan.rounds,
        baseline=baseline,
        candidate=candidate,
        speedup=paired_speedup(*medians, rng=rng),
        warnings=(*warnings, *own),
    )


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
    below 6 rounds. Above 1 the candidate is faster.

    >>> measure = paired_speedup(np.full(10, 3.0), np.full(10, 1.5), rng=np.random.default_rng(0))
    >>> round(measure.value, 9), measure.n
    (2.0, 10)
    """
    # A clock can be too coarse for a very small model: its tick is the least a call can take.
    tick = 1e-6
    logs = np.log(np.maximum(baseline_ms, tick)) - np.log(np.maximum(candidate_ms, tick))
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


def machine_warnings(threads: int) -> tuple[str, ...]:
    """Return what speaks against measuring on this machine now; ask before measuring."""
    return crowding_warnings(threads, cores=usable_cores(), load=psutil.getloadavg()[0])


def crowding_warnings(threads: int, *, cores: int, load: float) -> tuple[str, ...]:
    """Return why threads have to wait for cores, if they have to; ``load`` is the 1-minute average.

    >>> crowding_warnings(1, cores=4, load=0.5)
    ()
    >>> crowding_warnings(8, cores=4, load=0.5)
    ('8 threads on 4 usable cores: threads wait for one another',)
    """
    found = []
    if threads > cores:
        found.append(f"{threads} threads on {cores} usable cores: threads wait for one another")
    if load > cores:
        found.append(f"load average {load:.1f} on {cores} usable cores: other work disturbs the timing")
    return tuple(found)


def spread_warnings(name: str, values_ms: Sequence[float]) -> tuple[str, ...]:
    """Return a warning if the standard deviation reaches a tenth of the mean.

    >>> spread_warnings("baseline", [1.0, 1.0, 1.0])
    ()
    >>> spread_warnings("baseline", [1.0, 2.0])
    ('baseline: standard deviation is 47 % of the mean: timing is unstable',)
    """
    mean = float(np.mean(values_ms)) if len(values_ms) else 0.0
    deviation = float(np.std(values_ms, ddof=1)) if len(values_ms) > 1 else 0.0
    if mean <= 0 or deviation < _UNSTABLE * mean:
        return ()
    return (f"{name}: standard deviation is {100 * deviation / mean:.0f} % of the mean: timing is unstable",)


def _too_few_rounds(rounds: int) -> tuple[str, ...]:
    if rounds >= _FEWEST_ROUNDS:
        return ()
    return (f"{rounds} rounds: the speed-up's interval needs at least {_FEWEST_ROUNDS}",)
