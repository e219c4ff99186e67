"""Measures made from counts and samples, with the interval each owes its reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_onnx.metrics.statistics.intervals import (
    LEVEL,
    UNBOUNDED,
    mean_interval,
    paired_difference,
    proportion_interval,
)
from compress_onnx.records import Better, Measure, undefined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compress_onnx.metrics.statistics.paired import PairedCounts

FRACTION = "fraction"
NATS = "nats"
NO_LABELS = "the data has no labels"


def proportion(successes: int, n: int, *, better: Better, nothing: str = "there are no samples") -> Measure:
    """Return ``successes / n`` with its exact interval, or undefined for the reason ``nothing``.

    >>> proportion(3, 4, better=Better.HIGHER).value
    0.75
    """
    if n == 0:
        return undefined(nothing, unit=FRACTION, better=better)
    return Measure(value=successes / n, unit=FRACTION, better=better, n=n, interval=proportion_interval(successes, n))


def paired_change(counts: PairedCounts, *, nothing: str = "there are no samples", level: float = LEVEL) -> Measure:
    """Return the change of a proportion, candidate minus baseline, with its paired interval.

    >>> from compress_onnx.metrics.statistics.paired import PairedCounts
    >>> paired_change(PairedCounts(both=6, only_baseline=1, only_candidate=3, neither=0)).value
    0.2
    """
    if counts.n == 0:
        return undefined(nothing, unit=FRACTION, better=Better.HIGHER)
    return Measure(
        value=counts.change, unit=FRACTION, better=Better.HIGHER, n=counts.n, interval=paired_difference(counts, level)
    )


def mean(
    values: NDArray[np.float64],
    *,
    unit: str,
    better: Better,
    bounds: tuple[float, float] = UNBOUNDED,
    nothing: str = "there are no samples",
) -> Measure:
    """Return the mean of (N,) values with its t interval, or undefined for the reason ``nothing``.

    >>> import numpy as np
    >>> mean(np.array([1.0, 3.0]), unit="nats", better=Better.LOWER).value
    2.0
    """
    if len(values) == 0:
        return undefined(nothing, unit=unit, better=better)
    interval = mean_interval(values, bounds=bounds)
    return Measure(value=float(values.mean()), unit=unit, better=better, n=len(values), interval=interval)
