"""Confidence intervals of proportions and their paired differences.

Means have theirs in :mod:`compress_onnx.metrics.means`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.special import ndtri

from compress_onnx.records import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from compress_onnx.metrics.paired import PairedCounts

# The level of every interval in a record unless a caller asks otherwise.
LEVEL = 0.95
# Halvings after which a bracket of width 2 is narrower than float64 can tell.
_HALVINGS = 60


def normal_quantile(level: float) -> float:
    """Return the half-width in standard deviations that holds ``level`` of a normal distribution.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    return float(ndtri(0.5 + level / 2))


def wilson(successes: int, n: int, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval of a proportion, within 0 and 1.

    Bounds are the p with ``|successes/n - p| = z sqrt(p (1 - p) / n)`` (Wilson 1927).

    Errors
    ------
    ValueError
        if ``n`` is below 1 or ``successes`` is not within 0 and ``n``.

    >>> interval = wilson(81, 263)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.2553, 0.3662)
    """
    low, high = _wilson_bounds(successes, n, level)
    return Interval(low=low, high=high, level=level, method="Wilson score (1927)")


def paired_difference(counts: PairedCounts, level: float = LEVEL) -> Interval:
    """Return Newcombe's interval of the change, candidate minus baseline, of paired proportions.

    Wilson bounds of both proportions are joined by the square-and-add rule with the correlation
    phi, its numerator reduced by n/2 where positive (Newcombe 1998, Statistics in Medicine 17,
    2635-2650, method 10). ``counts.n`` must be at least 1.

    >>> from compress_onnx.metrics.paired import PairedCounts
    >>> interval = paired_difference(PairedCounts(both=36, only_baseline=2, only_candidate=12, neither=0))
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0569, 0.3404)
    """
    n = counts.n
    p_baseline, p_candidate = counts.baseline / n, counts.candidate / n
    low_baseline, high_baseline = _wilson_bounds(counts.baseline, n, level)
    low_candidate, high_candidate = _wilson_bounds(counts.candidate, n, level)
    phi = _corrected_phi(counts)
    below = _square_and_add(p_candidate - low_candidate, high_baseline - p_baseline, phi)
    above = _square_and_add(high_candidate - p_candidate, p_baseline - low_baseline, phi)
    return Interval(
        low=max(-1.0, counts.change - below),
        high=min(1.0, counts.change + above),
        level=level,
        method="Newcombe paired, method 10 (1998)",
    )


def paired_score_difference(counts: PairedCounts, level: float = LEVEL) -> Interval:
    """Return Tango's score interval of the change, candidate minus baseline, of paired proportions.

    Bounds are the differences d that the score test does not reject, with the nuisance proportion
    at its maximum likelihood under d (Tango 1998, Statistics in Medicine 17, 891-908). It needs
    the discordant counts only and keeps its level where few predictions change; ``counts.n`` must
    be at least 1.

    >>> from compress_onnx.metrics.paired import PairedCounts
    >>> interval = paired_score_difference(PairedCounts(both=0, only_baseline=0, only_candidate=0, neither=100))
    >>> round(interval.low, 4), round(interval.high, 4)
    (-0.037, 0.037)
    """
    z = normal_quantile(level)

    def inside(difference: float) -> bool:
        return _tango_distance(counts, difference) <= z

    return Interval(
        low=_last_inside(inside, counts.change, -1.0),
        high=_last_inside(inside, counts.change, 1.0),
        level=level,
        method="Tango paired score (1998)",
    )


def _wilson_bounds(successes: int, n: int, level: float) -> tuple[float, float]:
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"no proportion: {successes} of {n}")
    z_squared = normal_quantile(level) ** 2
    p = successes / n
    centre = p + z_squared / (2 * n)
    half = math.sqrt(z_squared * (p * (1 - p) / n + z_squared / (4 * n * n)))
    scale = 1 + z_squared / n
    # The ends are exact by algebra; rounding must not push the estimate out of its own interval.
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return low, high


def _square_and_add(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(0.0, first * first - 2 * phi * first * second + second * second))


def _corrected_phi(counts: PairedCounts) -> float:
    n = counts.n
    margins = counts.baseline * (n - counts.baseline) * counts.candidate * (n - counts.candidate)
    if margins == 0:
        return 0.0
    excess = counts.both * counts.neither - counts.only_baseline * counts.only_candidate
    return (max(excess - n / 2, 0.0) if excess > 0 else excess) / math.sqrt(margins)


def _tango_distance(counts: PairedCounts, difference: float) -> float:
    """Return how many standard errors the observed change lies from a supposed one."""
    n, lost, won = counts.n, counts.only_baseline, counts.only_candidate
    gap = abs(won - lost - n * difference)
    # q = P(only baseline right) maximises the likelihood under the difference: 2n q^2 - linear q - constant = 0.
    linear = lost + won - (2 * n + lost - won) * difference
    constant = lost * difference * (1 - difference)
    q = (linear + math.sqrt(max(0.0, linear * linear + 8 * n * constant))) / (4 * n)
    variance = n * (2 * q + difference * (1 - difference))
    if variance <= 0:
        return 0.0 if gap == 0 else math.inf
    return gap / math.sqrt(variance)


def _last_inside(inside: Callable[[float], bool], start: float, end: float) -> float:
    """Return the farthest point from ``start`` towards ``end`` that is inside, by bisection."""
    if inside(end):
        return end
    for _ in range(_HALVINGS):
        middle = (start + end) / 2
        start, end = (middle, end) if inside(middle) else (start, middle)
    return start
