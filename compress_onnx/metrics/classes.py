"""Who gets hurt: recall of both models per class, its paired change and its significance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.measures import FRACTION, NO_LABELS, paired_change, proportion
from compress_onnx.metrics.paired import PairedCounts
from compress_onnx.metrics.significance import holm, mid_p_mcnemar
from compress_onnx.records import Better, ClassResult, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.pair import LogitPair

NO_SAMPLES = "the data has no samples of this class"


def class_results(pair: LogitPair) -> tuple[ClassResult, ...]:
    """Return one result per class, in label order.

    Recalls have Wilson intervals, changes paired ones, p-values are McNemar's mid-p adjusted by
    Holm over the classes that have samples. A class without samples, and every class of data
    without labels, is undefined with its reason; ``support`` is then 0.

    >>> from compress_onnx.metrics.pair import LogitPair
    >>> logits = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 0]), baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> [(result.support, result.recall_baseline.value) for result in class_results(pair)]
    [(2, 0.5), (0, None)]
    """
    if pair.labels is None:
        return tuple(_nothing(name, NO_LABELS) for name in pair.class_names)
    tables = class_counts(pair, pair.labels)
    p_values = [mid_p_mcnemar(t.only_baseline, t.only_candidate) if t.n else None for t in tables]
    adjusted = iter(holm(np.array([p for p in p_values if p is not None])))
    return tuple(
        _nothing(name, NO_SAMPLES) if p is None else _result(name, table, p, float(next(adjusted)))
        for name, table, p in zip(pair.class_names, tables, p_values, strict=True)
    )


def class_counts(pair: LogitPair, labels: NDArray[np.int64]) -> list[PairedCounts]:
    """Return the paired counts of each of the C classes, over the samples that belong to it."""
    baseline = pair.baseline_scores.predicted == labels
    candidate = pair.candidate_scores.predicted == labels
    cells = (baseline & candidate, baseline & ~candidate, ~baseline & candidate, ~baseline & ~candidate)
    per_class = [np.bincount(labels[cell], minlength=len(pair.class_names)).tolist() for cell in cells]
    return [PairedCounts(*four) for four in zip(*per_class, strict=True)]


def _result(name: str, table: PairedCounts, p_value: float, p_holm: float) -> ClassResult:
    return ClassResult(
        class_name=name,
        support=table.n,
        recall_baseline=proportion(table.baseline, table.n, better=Better.HIGHER),
        recall_candidate=proportion(table.candidate, table.n, better=Better.HIGHER),
        change=paired_change(table),
        p_value=p_value,
        p_holm=p_holm,
        lost=table.only_baseline,
        won=table.only_candidate,
    )


def _nothing(name: str, reason: str) -> ClassResult:
    measure = undefined(reason, unit=FRACTION, better=Better.HIGHER)
    return ClassResult(
        class_name=name,
        support=0,
        recall_baseline=measure,
        recall_candidate=measure,
        change=measure,
        p_value=None,
        p_holm=None,
    )
