"""How a measure moved from a previous run to this one: paired where both saw the same images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.gate.names import segment
from compress_onnx.metrics import FRACTION, PairedCounts, mean, paired_change, paired_counts, proportion
from compress_onnx.records import Better, ClassResult, FlipKind, Interval, Measure, undefined

# The columns of samples.parquet, one row per image, of one candidate.
Columns = Mapping[str, NDArray[Any]]
Values = NDArray[np.float64]


def _right(columns: Columns, side: str) -> Values:
    right: Values = (columns[f"{side}_class"] == columns["label"]).astype(float)
    return right


def _kind(kind: FlipKind) -> Callable[[Columns], Values]:
    return lambda columns: (columns["flip_kind"] == kind.value).astype(float)


def _change(columns: Columns) -> Values:
    return _right(columns, "candidate") - _right(columns, "baseline")


# Measures that are the mean of one value per image.
_VALUES: dict[str, Callable[[Columns], Values]] = {
    "flips.rate": lambda columns: (columns["baseline_class"] != columns["candidate_class"]).astype(float),
    "flips.negative_rate": _kind(FlipKind.NEGATIVE),
    "flips.positive_rate": _kind(FlipKind.POSITIVE),
    "flips.lateral_rate": _kind(FlipKind.LATERAL),
    "accuracy.change": _change,
    "accuracy.candidate": lambda columns: _right(columns, "candidate"),
    "confidence.mean_candidate": lambda columns: columns["candidate_confidence"].astype(float),
    "confidence.change_all": lambda columns: (columns["candidate_confidence"] - columns["baseline_confidence"]).astype(
        float
    ),
}
# The same below the name of a class, over its images.
_OF_A_CLASS = {"change": _change, "recall_candidate": _VALUES["accuracy.candidate"]}


def paired_shift(name: str, now: Columns, previous: Columns, class_names: Sequence[str]) -> Measure | None:
    """Return now minus previous of a measure that is a mean over images; ``None`` if it is not one.

    Both sides are rows of the same images in the same order. Indicators get the interval of paired
    proportions, other values a t interval of their differences.

    >>> rows = {"baseline_class": np.array([0, 1]), "candidate_class": np.array([0, 1])}
    >>> worse = {**rows, "candidate_class": np.array([0, 0])}
    >>> paired_shift("flips.rate", worse, rows, ("a", "b")).value
    0.5
    """
    of, label = _VALUES.get(name), None
    if of is None:
        label, of = _class_value(name, class_names)
    if of is None:
        return None
    return _moved(of, _of_class(now, label), _of_class(previous, label))[0]


def class_shifts(now: Columns, previous: Columns, class_names: Sequence[str]) -> tuple[ClassResult, ...]:
    """Return how every class's change moved, *baseline* being the previous run and *candidate* this one.

    The recalls are left undefined where the two runs had different baselines.
    """
    results = []
    for label, name in enumerate(class_names):
        change, counts = _moved(_change, _of_class(now, label), _of_class(previous, label))
        nothing = undefined("not asked", unit=FRACTION, better=Better.HIGHER)
        right = None if counts is None else proportion(counts.baseline, counts.n, better=Better.HIGHER)
        results.append(
            ClassResult(
                class_name=name,
                support=change.n,
                recall_baseline=right or nothing,
                recall_candidate=nothing,
                change=change,
                p_value=None,
                p_holm=None,
                lost=None if counts is None else counts.only_baseline,
                won=None if counts is None else counts.only_candidate,
            )
        )
    return tuple(results)


def _of_class(rows: Columns, label: int | None) -> Columns:
    return rows if label is None else {key: column[rows["label"] == label] for key, column in rows.items()}


def _moved(of: Callable[[Columns], Values], now: Columns, previous: Columns) -> tuple[Measure, PairedCounts | None]:
    if of is _change and np.array_equal(now["baseline_class"], previous["baseline_class"]):
        # The baseline's part cancels, and what is left is right or wrong.
        of = _VALUES["accuracy.candidate"]
    after, before = of(now), of(previous)
    if set(np.unique(np.concatenate([after, before])).tolist()) <= {0.0, 1.0}:
        counts = paired_counts(before == 1, after == 1)
        return paired_change(counts), counts
    return mean(after - before, unit=FRACTION, better=Better.NEITHER), None


def _class_value(name: str, class_names: Sequence[str]) -> tuple[int | None, Callable[[Columns], Values] | None]:
    for label, class_name in enumerate(class_names):
        for field, of in _OF_A_CLASS.items():
            if name == f"classes.{segment(class_name)}.{field}":
                return label, of
    return None, None


def unpaired_shift(now: Measure, previous: Measure) -> Measure:
    """Return now minus previous of two measures from their two intervals, as if independent.

    The bounds lie sqrt((estimate now - low now)^2 + (high previous - estimate previous)^2)
    below and likewise above (MOVER; Newcombe 1998, Statistics in Medicine 17, 873-890, method 10;
    Zou & Donner 2008). No interval where one of the two has none.
    """
    if now.value is None or previous.value is None:
        return now if now.value is None else previous
    value = now.value - previous.value
    if now.interval is None or previous.interval is None:
        return dataclasses.replace(now, value=value, interval=None)
    below = math.hypot(now.value - now.interval.low, previous.interval.high - previous.value)
    above = math.hypot(now.interval.high - now.value, previous.value - previous.interval.low)
    interval = Interval(
        low=value - below,
        high=value + above,
        level=min(now.interval.level, previous.interval.level),
        method="two intervals combined (MOVER, Newcombe 1998)",
    )
    return dataclasses.replace(now, value=value, interval=interval)
