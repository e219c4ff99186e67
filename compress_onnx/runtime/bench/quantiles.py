"""Quantiles of timed calls, with intervals that assume nothing about their distribution."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from compress_onnx.metrics import LEVEL
from compress_onnx.records import Better, Interval, Measure, undefined

# MLPerf reports a tail percentile only when it is known with this confidence.
_TAIL_CONFIDENCE = 0.99


def order_statistic_ranks(n: int, quantile: float, level: float = LEVEL) -> tuple[int, int] | None:
    """Return the ranks, 1 to n, of the two sorted samples between which the quantile lies.

    With K ~ Binomial(n, q) samples below the quantile, the lower rank is the largest l with
    P(K < l) <= (1 - level)/2 and the upper the smallest u with P(K >= u) <= (1 - level)/2 (David
    and Nagaraja, Order Statistics, 2003, section 7.1). ``None`` where n is too small for both.

    >>> order_statistic_ranks(100, 0.5)
    (40, 61)
    >>> order_statistic_ranks(5, 0.5) is None
    True
    """
    below = bdtr(np.arange(n), n, quantile)  # below[k] = P(K <= k)
    tail = (1 - level) / 2
    lower = int(np.searchsorted(below, tail, side="right"))
    upper = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return (lower, upper) if lower >= 1 and upper <= n else None


def quantile_measure(values_ms: NDArray[np.float64], quantile: float, level: float = LEVEL) -> Measure:
    """Return the quantile of (N,) milliseconds: the sample of rank ceil(q n), and its interval.

    The interval is left out where there are too few samples for it; no samples give no value.

    >>> measure = quantile_measure(np.arange(1.0, 101.0), 0.5)
    >>> measure.value, measure.interval.low, measure.interval.high
    (50.0, 40.0, 61.0)
    """
    n = len(values_ms)
    if n == 0:
        return undefined("no timed calls", unit="ms", better=Better.LOWER)
    ordered = np.sort(values_ms)
    ranks = order_statistic_ranks(n, quantile, level)
    interval = None
    if ranks is not None:
        low, high = (float(ordered[rank - 1]) for rank in ranks)
        interval = Interval(low=low, high=high, level=level, method="order statistics (binomial)")
    value = float(np.quantile(ordered, quantile, method="inverted_cdf"))
    return Measure(value=value, unit="ms", better=Better.LOWER, n=n, interval=interval)


def tail_measure(values_ms: NDArray[np.float64], quantile: float) -> Measure:
    """Return a tail quantile of (N,) milliseconds, or why there are too few samples to state it."""
    n, needed = len(values_ms), fewest_samples(quantile)
    if n >= needed:
        return quantile_measure(values_ms, quantile)
    reason = f"p{100 * quantile:g} needs at least {needed} timed calls, there are {n}"
    return undefined(reason, unit="ms", better=Better.LOWER, n=n)


def throughput(p50_ms: Measure, batch: int) -> Measure:
    """Return images per second at the typical latency of a batch, with the interval of that latency.

    >>> throughput(quantile_measure(np.array([4.0]), 0.5), 8).value
    2000.0
    """
    if not p50_ms.value:
        return undefined(
            p50_ms.undefined_reason or "a call takes no time that can be told", unit="1/s", better=Better.HIGHER
        )
    rate = 1000 * batch
    interval = p50_ms.interval
    if interval is not None and interval.low > 0:
        interval = dataclasses.replace(interval, low=rate / interval.high, high=rate / interval.low)
    else:
        interval = None
    return Measure(value=rate / p50_ms.value, unit="1/s", better=Better.HIGHER, n=p50_ms.n, interval=interval)


def fewest_samples(quantile: float, confidence: float = _TAIL_CONFIDENCE) -> int:
    """Return from how many samples the second largest bounds a quantile with ``confidence``.

    The smallest n with P(Binomial(n, 1 - q) <= 1) <= 1 - confidence: one sample beyond the bound is
    allowed (MLPerf Inference, early stopping, Reddi et al. 2020).

    >>> fewest_samples(0.99), fewest_samples(0.90)
    (662, 64)
    """
    n = 2
    while math.log(_at_most_one_beyond(n, quantile)) > math.log(1 - confidence):
        n += 1
    return n


def _at_most_one_beyond(n: int, quantile: float) -> float:
    return quantile ** (n - 1) * (quantile + n * (1 - quantile))
