"""Top-1 accuracy of both models and its paired change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_onnx.metrics.measures import FRACTION, NO_LABELS, paired_change, proportion
from compress_onnx.records import AccuracyChange, Better, undefined

if TYPE_CHECKING:
    from compress_onnx.metrics.pair import LogitPair


def accuracy_change(pair: LogitPair) -> AccuracyChange:
    """Return the fraction of right predictions of both models, and candidate minus baseline.

    Each accuracy has its Wilson interval, the change a paired one: the same images went through
    both models. Undefined without labels.

    >>> import numpy as np
    >>> from compress_onnx.metrics.pair import LogitPair
    >>> right = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 1]), baseline=right, candidate=right[::-1], class_names=("a", "b"))
    >>> accuracy_change(pair).change.value
    -1.0
    """
    counts = pair.counts
    if counts is None:
        nothing = undefined(NO_LABELS, unit=FRACTION, better=Better.HIGHER)
        return AccuracyChange(baseline=nothing, candidate=nothing, change=nothing)
    return AccuracyChange(
        baseline=proportion(counts.baseline, counts.n, better=Better.HIGHER),
        candidate=proportion(counts.candidate, counts.n, better=Better.HIGHER),
        change=paired_change(counts),
    )
