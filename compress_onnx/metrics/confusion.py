"""Which class is taken for which, by both models, and where that changed most."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.records import ConfusionChange

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.pair import LogitPair


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChangedConfusion:
    """One kind of mistake whose count changed: true class taken for another."""

    true_class: str
    predicted_class: str
    baseline: int
    candidate: int

    @property
    def change(self) -> int:
        """Candidate's count minus baseline's: positive means more mistakes."""
        return self.candidate - self.baseline


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

    >>> from compress_onnx.metrics.pair import LogitPair
    >>> logits = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 1]), baseline=logits, candidate=logits[[0, 0]], class_names=("a", "b"))
    >>> confusion_change(pair).counts_candidate
    ((1, 0), (1, 0))
    """
    if pair.labels is None:
        return None
    labels, size = pair.labels.astype(np.int64, copy=False), len(pair.class_names)
    baseline = confusion_counts(labels, pair.baseline_scores.predicted, size)
    candidate = confusion_counts(labels, pair.candidate_scores.predicted, size)
    return ConfusionChange(counts_baseline=_rows(baseline), counts_candidate=_rows(candidate))


def most_changed(change: ConfusionChange, class_names: tuple[str, ...], k: int) -> tuple[ChangedConfusion, ...]:
    """Return at most ``k`` mistakes whose counts changed most, gained or lost, largest first.

    Right predictions are no mistakes and unchanged counts no change: neither is listed. Ties keep
    the order of true class, then predicted class.

    >>> change = ConfusionChange(counts_baseline=((3, 0), (1, 4)), counts_candidate=((1, 2), (0, 5)))
    >>> [(c.true_class, c.predicted_class, c.change) for c in most_changed(change, ("a", "b"), 5)]
    [('a', 'b', 2), ('b', 'a', -1)]
    """
    baseline, candidate = np.array(change.counts_baseline), np.array(change.counts_candidate)
    moved = np.abs(candidate - baseline)
    np.fill_diagonal(moved, 0)
    order = np.argsort(-moved, axis=None, kind="stable")[: max(k, 0)]
    places = [divmod(int(cell), len(class_names)) for cell in order if moved.flat[cell] > 0]
    return tuple(
        ChangedConfusion(
            true_class=class_names[row],
            predicted_class=class_names[column],
            baseline=int(baseline[row, column]),
            candidate=int(candidate[row, column]),
        )
        for row, column in places
    )


def _rows(counts: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in counts.tolist())
