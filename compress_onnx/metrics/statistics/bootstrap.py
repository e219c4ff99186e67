"""The bias-corrected accelerated (BCa) bootstrap of means and of what is made of them, for skewed samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from compress_onnx.metrics.statistics.intervals import LEVEL
from compress_onnx.records import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

# 2,000 resamples put about 50 into each tail of a 95 % interval: enough for two digits of a bound.
RESAMPLES = 2_000
# Drawn indices held at once, 8 MiB: memory does not grow with the number of samples.
_BLOCK = 2**20


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
    drawn = _resampled_mean(values, rng, resamples)
    # The jackknife of a mean moves by the deviations, so their skewness is the acceleration.
    return _interval(float(values.mean()), drawn, values - values.mean(), level)


def bootstrap_means(
    columns: NDArray[np.float64], rng: np.random.Generator, level: float = LEVEL, *, resamples: int = RESAMPLES
) -> list[Interval | None]:
    """Return the interval of each column's mean of (N, M) values, within the column's range.

    The same as M times :func:`bootstrap_mean`, up to the drawing, at the price of one. ``None`` for fewer than two rows.

    >>> bootstrap_means(np.ones((1, 2)), np.random.default_rng(0))
    [None, None]
    """
    if len(columns) < 2:
        return [None] * columns.shape[1]
    low, high = columns.min(axis=0), columns.max(axis=0)
    # Sums of products round: what leaves the column's range is brought back to it.
    resampled = np.clip(resampled_means(columns, rng, resamples), low, high)
    observed = np.clip(columns.mean(axis=0), low, high)
    left_out = without_each(columns)
    return [
        bca_interval(float(observed[column]), resampled[:, column], left_out[:, column], level)
        for column in range(columns.shape[1])
    ]


def bca_interval(
    observed: float, resampled: NDArray[np.float64], left_out: NDArray[np.float64], level: float = LEVEL
) -> Interval:
    """Return the bias-corrected accelerated interval (Efron 1987) of a statistic.

    ``resampled`` (R,) are its values in resamples, ``left_out`` (N,) its values without each sample
    in turn (the jackknife), whose skewness is the acceleration. A statistic that no sample moves
    has an interval of no width.

    >>> interval = bca_interval(0.5, np.linspace(0, 1, 1001), np.linspace(0.4, 0.6, 11))
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.025, 0.975)
    """
    return _interval(observed, resampled, left_out.mean() - left_out, level)


def resampled_means(
    columns: NDArray[np.float64], rng: np.random.Generator, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Return the means (R, M) of the columns of (N, M) values in each of R resamples of the rows, N at least 1.

    All columns see the same resamples, so that differences and ratios of columns are paired.

    >>> resampled_means(np.ones((3, 2)), np.random.default_rng(0), 2).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    n = len(columns)
    return np.concatenate([_drawn_counts(n, size, rng) @ columns / n for size in _block_sizes(n, resamples)])


def without_each(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the column means (N, M) without each row in turn, N at least 2.

    >>> without_each(np.array([[1.0], [2.0], [6.0]])).ravel().tolist()
    [4.0, 3.5, 1.5]
    """
    return np.asarray((columns.sum(axis=0) - columns) / (len(columns) - 1))


def _drawn_counts(n: int, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each of n rows is drawn in each of ``size`` resamples, (size, n)."""
    drawn = rng.integers(n, size=(size, n))
    drawn += n * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _resampled_mean(values: NDArray[np.float64], rng: np.random.Generator, resamples: int) -> NDArray[np.float64]:
    n = len(values)
    return np.concatenate([values[rng.integers(n, size=(size, n))].mean(axis=1) for size in _block_sizes(n, resamples)])


def _block_sizes(n: int, resamples: int) -> list[int]:
    """Return how many resamples of n rows to draw at a time."""
    rows = max(1, _BLOCK // n)
    return [min(rows, resamples - start) for start in range(0, resamples, rows)]


def _interval(observed: float, resampled: NDArray[np.float64], moves: NDArray[np.float64], level: float) -> Interval:
    """Return the interval of a statistic that each sample moves, up to one factor, by ``moves`` (N,)."""
    low, high = np.quantile(resampled, _levels(observed, resampled, moves, level))
    method = f"BCa bootstrap (1987), {len(resampled)} resamples"
    return Interval(low=float(low), high=float(high), level=level, method=method)


def _levels(
    observed: float, resampled: NDArray[np.float64], moves: NDArray[np.float64], level: float
) -> NDArray[np.float64]:
    """Return the two quantile levels (2,) corrected for bias and skewness."""
    squares = float((moves**2).sum())
    if squares == 0:
        return np.array([0.5, 0.5])
    acceleration = float((moves**3).sum()) / (6 * squares**1.5)
    count = len(resampled)
    below = (np.count_nonzero(resampled < observed) + np.count_nonzero(resampled <= observed)) / (2 * count)
    bias = ndtri(np.clip(below, 0.5 / count, 1 - 0.5 / count))
    shifted = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    corrected: NDArray[np.float64] = ndtr(bias + shifted / (1 - acceleration * shifted))
    return corrected
