"""Confidence intervals of proportions, their paired differences, and means of large or mild samples.

Those of proportions were chosen by their exact coverage over the grid that ``tests/benchmarks/bench_coverage.py`` prints:
flip rates from 0.1 to 20 %, 200 to 10,000 samples, nominal 95 %. Rejected there were, for one
proportion, Wilson's score (falls to 91 % where half a flip is expected, to 84 % between the grid's
points), Jeffreys' and the mid-p bounds (92.8 %); for paired differences, Newcombe's method 10
(90.8 %, and it depends on samples that both models got right), Agresti and Min's (86 %), and Tango's
score (93 %, all of it on the side of a loss, where a gate looks). Means of skewed samples have theirs in
:mod:`compress_onnx.metrics.statistics.bootstrap`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

from compress_onnx.records import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.statistics.paired import PairedCounts

# The level of every interval in a record unless a caller asks otherwise.
LEVEL = 0.95
UNBOUNDED = (-math.inf, math.inf)

Counts: TypeAlias = "NDArray[np.int64] | int"
Bounds: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64]]"


def normal_quantile(level: float) -> float:
    """Return the half-width in standard deviations that holds ``level`` of a normal distribution.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    return float(ndtri(0.5 + level / 2))


def proportion_interval(successes: int, n: int, level: float = LEVEL) -> Interval:
    """Return the exact interval of a proportion, within 0 and 1.

    Each bound is the p at which as many successes or more (fewer) have probability ``(1 - level) / 2``
    (Clopper & Pearson 1934, Biometrika 26, 404-413): it never covers less than its level, also
    where hardly any prediction flips and approximations fail.

    Errors
    ------
    ValueError
        if ``n`` is below 1 or ``successes`` is not within 0 and ``n``.

    >>> interval = proportion_interval(0, 100)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0, 0.0362)
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"no proportion: {successes} of {n}")
    low, high = proportion_bounds(successes, n, level)
    return Interval(low=float(low), high=float(high), level=level, method="Clopper-Pearson exact (1934)")


def paired_difference(counts: PairedCounts, level: float = LEVEL) -> Interval:
    """Return the interval of the change, candidate minus baseline, of paired proportions.

    See :func:`difference_bounds`; ``counts.n`` must be at least 1.

    >>> from compress_onnx.metrics.statistics.paired import PairedCounts
    >>> interval = paired_difference(PairedCounts(both=0, only_baseline=0, only_candidate=0, neither=100))
    >>> round(interval.low, 4), round(interval.high, 4)
    (-0.037, 0.037)
    """
    low, high = difference_bounds(counts.only_baseline, counts.only_candidate, counts.n, level)
    return Interval(
        low=float(low), high=float(high), level=level, method="square-and-add of Wilson bounds of the discordant cells"
    )


def mean_interval(
    values: NDArray[np.float64], level: float = LEVEL, *, bounds: tuple[float, float] = UNBOUNDED
) -> Interval | None:
    """Return the t interval of the mean of (N,) values, cut at what the mean can be.

    ``mean ± t(n - 1) s / sqrt(n)`` (Student 1908); ``None`` for fewer than two values, which show
    no spread.

    >>> interval = mean_interval(np.array([1.0, 2.0, 3.0]))
    >>> round(interval.low, 3), round(interval.high, 3)
    (-0.484, 4.484)
    """
    n = len(values)
    if n < 2:
        return None
    mean = float(values.mean())
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * float(values.std(ddof=1)) / math.sqrt(n)
    low, high = bounds
    return Interval(low=max(low, mean - half), high=min(high, mean + half), level=level, method="Student t")


def proportion_bounds(successes: Counts, n: Counts, level: float = LEVEL) -> Bounds:
    """Return the Clopper-Pearson bounds, elementwise, of ``successes`` of ``n``, n at least 1.

    >>> low, high = proportion_bounds(np.array([0, 5]), 5)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.478], [0.522, 1.0])
    """
    k, size = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    tail = (1 - level) / 2
    # The beta quantiles exist for at least one success and one failure; beyond them the bounds are the ends.
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), size - k + 1, tail), 0.0)
    high = np.where(k < size, betaincinv(k + 1, np.maximum(size - k, 1), 1 - tail), 1.0)
    return low, high


def difference_bounds(lost: Counts, won: Counts, n: Counts, level: float = LEVEL) -> Bounds:
    """Return the bounds, elementwise, of ``(won - lost) / n`` where both are cells of one multinomial.

    ``lost`` were right with the baseline only, ``won`` with the candidate only. Wilson's bounds
    (1927) of both cells are joined by square-and-add (Newcombe 1998, Statistics in Medicine 17,
    2635-2650; MOVER: Zou & Donner 2008, ibid. 27, 1693-1702) with the cells' own correlation
    ``-sqrt(p q / ((1 - p) (1 - q)))``. Samples on which both models were right, or both wrong,
    enter by their sum only. Each side misses at most about 2.7 % of the time.

    >>> low, high = difference_bounds(np.array([12, 0]), np.array([2, 0]), 1000)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([-0.019, -0.0038], [-0.0026, 0.0038])
    """
    size = np.asarray(n, dtype=np.float64)
    p, q = np.asarray(lost) / size, np.asarray(won) / size
    (p_low, p_high), (q_low, q_high) = _wilson_bounds(p, size, level), _wilson_bounds(q, size, level)
    both = p * q > 0
    correlation = -np.sqrt(np.divide(p * q, (1 - p) * (1 - q), out=np.zeros_like(p * q), where=both))
    below = _square_and_add(q - q_low, p_high - p, correlation)
    above = _square_and_add(q_high - q, p - p_low, correlation)
    return np.maximum(q - p - below, -1.0), np.minimum(q - p + above, 1.0)


def _wilson_bounds(p: NDArray[np.float64], n: NDArray[np.float64], level: float) -> Bounds:
    """Return the p' with ``|p - p'| = z sqrt(p' (1 - p') / n)``."""
    z_squared = normal_quantile(level) ** 2
    center = p + z_squared / (2 * n)
    half = np.sqrt(z_squared * (p * (1 - p) / n + z_squared / (4 * n * n)))
    scale = 1 + z_squared / n
    # The ends are exact by algebra; rounding must not push the estimate out of its own interval.
    return np.where(p <= 0, 0.0, (center - half) / scale), np.where(p >= 1, 1.0, (center + half) / scale)


def _square_and_add(
    first: NDArray[np.float64], second: NDArray[np.float64], correlation: NDArray[np.float64]
) -> NDArray[np.float64]:
    squares = first * first - 2 * correlation * first * second + second * second
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
