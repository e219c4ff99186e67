"""Which class is taken for which, by both models, and where that changed most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.records import ChangedConfusion, ConfusionChange

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair


# As many as a page of a report lists.
MOST_CHANGED = 20


def confusion_counts(labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Count (true, predicted) pairs, (C, C) int64: rows true class, columns predicted class.

    Labels and predictions (N,) lie within 0 and C - 1; empty gives zeros.

    >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = np.bincount(labels * n_classes + predicted, minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def confusion_change(pair: LogitPair) -> ConfusionChange | None:
    """Return the confusion counts of both models, or ``None`` without labels.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 1]), baseline=logits, candidate=logits[[0, 0]], class_names=("a", "b"))
    >>> change = confusion_change(pair)
    >>> list(zip(change.true_class, change.predicted_class, change.baseline, change.candidate))
    [(0, 0, 1, 1), (1, 0, 0, 1), (1, 1, 1, 0)]
    """
    if pair.labels is None:
        return None
    labels, size = pair.labels.astype(np.int64, copy=False), len(pair.class_names)
    baseline = confusion_counts(labels, pair.baseline_scores.predicted, size)
    candidate = confusion_counts(labels, pair.candidate_scores.predicted, size)
    rows, columns = np.nonzero(baseline + candidate)
    return ConfusionChange(
        true_class=tuple(rows.tolist()),
        predicted_class=tuple(columns.tolist()),
        baseline=tuple(baseline[rows, columns].tolist()),
        candidate=tuple(candidate[rows, columns].tolist()),
        most_changed=most_changed(baseline, candidate, pair.class_names, k=MOST_CHANGED),
    )


def confusion_tables(change: ConfusionChange, n_classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the whole tables of baseline and candidate, (C, C) int64: rows true, columns predicted.

    >>> change = ConfusionChange(true_class=(1,), predicted_class=(0,), baseline=(4,), candidate=(6,))
    >>> [table.tolist() for table in confusion_tables(change, 2)]
    [[[0, 0], [4, 0]], [[0, 0], [6, 0]]]
    """
    baseline, candidate = np.zeros((2, n_classes, n_classes), dtype=np.int64)
    cells = (np.array(change.true_class, dtype=np.int64), np.array(change.predicted_class, dtype=np.int64))
    baseline[cells], candidate[cells] = change.baseline, change.candidate
    return baseline, candidate


def most_changed(
    baseline: NDArray[np.int64], candidate: NDArray[np.int64], class_names: tuple[str, ...], *, k: int
) -> tuple[ChangedConfusion, ...]:
    """Return at most ``k`` mistakes whose counts (C, C) changed most, gained or lost, largest first.

    Right predictions are no mistakes and unchanged counts no change: neither is listed. Ties keep
    the order of true class, then predicted class.

    >>> before, after = np.array([[3, 0], [1, 4]]), np.array([[1, 2], [0, 5]])
    >>> [(c.true_class, c.predicted_class, c.change) for c in most_changed(before, after, ("a", "b"), k=5)]
    [('a', 'b', 2), ('b', 'a', -1)]
    """
    moved = np.abs(candidate - baseline)
    np.fill_diagonal(moved, 0)
    rows, columns = np.nonzero(moved)
    order = np.argsort(-moved[rows, columns], kind="stable")[: max(k, 0)]
    return tuple(
        ChangedConfusion(
            true_class=class_names[row],
            predicted_class=class_names[column],
            baseline=int(baseline[row, column]),
            candidate=int(candidate[row, column]),
        )
        for row, column in zip(rows[order], columns[order], strict=True)
    )
