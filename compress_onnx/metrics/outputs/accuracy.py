"""Top-1 and top-5 accuracy of both models and its paired change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_onnx.metrics.statistics import FRACTION, NO_LABELS, PairedCounts, paired_change, paired_counts, proportion
from compress_onnx.records import AccuracyChange, Better, Measure, undefined

if TYPE_CHECKING:
    from compress_onnx.metrics.outputs.pair import LogitPair

TOP = 5
# With five classes or fewer the true one is always among five: that is no measurement.
FEW_CLASSES = f"the models tell {TOP} classes or fewer apart: top-{TOP} would always be right"


def accuracy_change(pair: LogitPair) -> AccuracyChange:
    """Return the fraction of right predictions of both models, and candidate minus baseline.

    Each accuracy has its exact interval, the change a paired one: the same images went through
    both models. Top-5 counts a prediction as right whose true class is among the five largest
    outputs, equal outputs in order of their index; undefined for five classes or fewer. All are
    undefined without labels.

    >>> import numpy as np
    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> right = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 1]), baseline=right, candidate=right[::-1], class_names=("a", "b"))
    >>> change = accuracy_change(pair)
    >>> change.change.value, change.top5_change.value
    (-1.0, None)
    """
    top1 = _three(pair.counts, NO_LABELS)
    top5 = _three(*_top_counts(pair))
    return AccuracyChange(
        baseline=top1[0],
        candidate=top1[1],
        change=top1[2],
        top5_baseline=top5[0],
        top5_candidate=top5[1],
        top5_change=top5[2],
    )


def _top_counts(pair: LogitPair) -> tuple[PairedCounts | None, str]:
    baseline, candidate = pair.baseline_scores.truth, pair.candidate_scores.truth
    if baseline is None or candidate is None:
        return None, NO_LABELS
    if len(pair.class_names) <= TOP:
        return None, FEW_CLASSES
    return paired_counts(baseline.rank < TOP, candidate.rank < TOP), ""


def _three(counts: PairedCounts | None, reason: str) -> tuple[Measure, Measure, Measure]:
    if counts is None:
        nothing = undefined(reason, unit=FRACTION, better=Better.HIGHER)
        return nothing, nothing, nothing
    return (
        proportion(counts.baseline, counts.n, better=Better.HIGHER),
        proportion(counts.candidate, counts.n, better=Better.HIGHER),
        paired_change(counts),
    )
