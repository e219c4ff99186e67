"""Confidence intervals of means: Student's t for large or mild samples, the bootstrap for skewed ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from compress_onnx.metrics.statistics.intervals import LEVEL
from compress_onnx.records import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNBOUNDED = (-math.inf, math.inf)
# 2,000 resamples put about 50 into each tail of a 95 % interval: enough for two digits of a bound.
RESAMPLES = 2_000
# Index elements drawn at once, 8 MiB: memory does not grow with the number of samples.
_BLOCK = 2**20


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


def paired_mean(
    differences: NDArray[np.float64], level: float = LEVEL, *, bounds: tuple[float, float] = UNBOUNDED
) -> Interval | None:
    """Return the paired t interval of a mean change from (N,) per-sample differences.

    Same as :func:`mean_interval`: a paired question is a question about one sample of differences.

    >>> paired_mean(np.array([0.5])) is None
    True
    """
    return mean_interval(differences, level, bounds=bounds)


def bootstrap_mean(
    values: NDArray[np.float64], rng: np.random.Generator, level: float = LEVEL, *, resamples: int = RESAMPLES
) -> Interval | None:
    """Return the bias-corrected accelerated bootstrap interval of the mean of (N,) values.

    Efron 1987 (BCa); being quantiles of resampled means, its bounds never leave the range of the
    values. ``None`` for fewer than two values.

    >>> interval = bootstrap_mean(np.full(5, 0.25), np.random.default_rng(0))
    >>> interval.low, interval.high
    (0.25, 0.25)
    """
    if len(values) < 2:
        return None
    means = _resampled_means(values, rng, resamples)
    low, high = np.quantile(means, _bca_levels(values, means, level))
    return Interval(
        low=float(low), high=float(high), level=level, method=f"BCa bootstrap (1987), {resamples} resamples"
    )


def _resampled_means(values: NDArray[np.float64], rng: np.random.Generator, resamples: int) -> NDArray[np.float64]:
    n = len(values)
    rows = max(1, _BLOCK // n)
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate([values[rng.integers(n, size=(size, n))].mean(axis=1) for size in sizes])


def _bca_levels(values: NDArray[np.float64], means: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the two quantile levels (2,) corrected for bias and skewness."""
    deviations = values - values.mean()
    squares = float((deviations**2).sum())
    if squares == 0:
        return np.array([0.5, 0.5])
    # The jackknife of a mean moves by the deviations, so their skewness is the acceleration.
    acceleration = float((deviations**3).sum()) / (6 * squares**1.5)
    mean = values.mean()
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * len(means))
    bias = ndtri(np.clip(below, 0.5 / len(means), 1 - 0.5 / len(means)))
    shifted = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    corrected: NDArray[np.float64] = ndtr(bias + shifted / (1 - acceleration * shifted))
    return corrected
