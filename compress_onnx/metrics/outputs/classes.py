"""Who gets hurt: recall of both models per class, its paired change and its significance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compress_onnx.metrics.statistics import (
    ALPHA,
    FRACTION,
    NO_LABELS,
    PairedCounts,
    benjamini_hochberg,
    detectable_loss,
    holm,
    mid_p_mcnemar,
    paired_change,
    proportion,
)
from compress_onnx.records import Better, ClassResult, Measure, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair

NO_SAMPLES = "the data has no samples of this class"
TOO_FEW = "too few samples of this class: not even the loss of all of them would be found"


def class_results(pair: LogitPair) -> tuple[ClassResult, ...]:
    """Return one result per class, in label order.

    Recalls have exact intervals, changes paired ones, p-values are McNemar's mid-p, adjusted by
    Holm and by Benjamini and Hochberg over the classes that have samples. The detectable loss is
    the one that Holm's first step would find with 80 % power. A class without samples, and every class of data
    without labels, is undefined with its reason; ``support`` is then 0.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 0]), baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> [(result.support, result.recall_baseline.value) for result in class_results(pair)]
    [(2, 0.5), (0, None)]
    """
    if pair.labels is None:
        return tuple(_nothing(name, NO_LABELS) for name in pair.class_names)
    tables = class_counts(pair, pair.labels)
    seen = [table for table in tables if table.n]
    p_values = np.array([mid_p_mcnemar(table.only_baseline, table.only_candidate) for table in seen])
    losses = [_detectable(table, len(seen)) for table in seen]
    tests = zip(p_values, holm(p_values), benjamini_hochberg(p_values), losses, strict=True)
    return tuple(
        _result(name, table, *next(tests)) if table.n else _nothing(name, NO_SAMPLES)
        for name, table in zip(pair.class_names, tables, strict=True)
    )


def class_counts(pair: LogitPair, labels: NDArray[np.int64]) -> list[PairedCounts]:
    """Return the paired counts of each of the C classes, over the samples that belong to it."""
    baseline = pair.baseline_scores.predicted == labels
    candidate = pair.candidate_scores.predicted == labels
    cells = (baseline & candidate, baseline & ~candidate, ~baseline & candidate, ~baseline & ~candidate)
    per_class = [np.bincount(labels[cell], minlength=len(pair.class_names)).tolist() for cell in cells]
    return [PairedCounts(*four) for four in zip(*per_class, strict=True)]


def _detectable(table: PairedCounts, n_tests: int) -> Measure:
    loss = detectable_loss(table.n, table.discordant, alpha=ALPHA / n_tests)
    if loss is None:
        return undefined(TOO_FEW, unit=FRACTION, better=Better.LOWER, n=table.n)
    return Measure(value=loss, unit=FRACTION, better=Better.LOWER, n=table.n)


def _result(name: str, table: PairedCounts, *tests: Any) -> ClassResult:
    p_value, p_holm, p_benjamini_hochberg, loss = tests
    return ClassResult(
        class_name=name,
        support=table.n,
        recall_baseline=proportion(table.baseline, table.n, better=Better.HIGHER),
        recall_candidate=proportion(table.candidate, table.n, better=Better.HIGHER),
        change=paired_change(table),
        p_value=float(p_value),
        p_holm=float(p_holm),
        p_benjamini_hochberg=float(p_benjamini_hochberg),
        detectable_loss=loss,
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
        detectable_loss=undefined(reason, unit=FRACTION, better=Better.LOWER),
    )
