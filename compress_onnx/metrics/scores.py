"""What each sample got from one model: class, confidence, margin and loss, computed in one pass."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.probabilities import OutputKind, Outputs, log_probabilities, predicted, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Per-sample results of one model.

    ``predicted`` (N,) int64; ``confidence`` (N,) float64, the probability of the predicted class;
    ``margin`` (N,) float64; ``nll`` (N,) float64 nats, minus the logarithm of the true class's
    probability, or ``None`` without labels.
    """

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    nll: NDArray[np.float64] | None


def scored(outputs: Outputs, labels: NDArray[np.int64] | None, kind: OutputKind) -> Scores:
    """Return the scores of one model's outputs (N, C), C at least 2; labels (N,) lie within C.

    >>> scores = scored(np.array([[0.0, 0.0]]), np.array([1]), OutputKind.LOGITS)
    >>> scores.predicted.tolist(), scores.confidence.tolist(), scores.nll.round(3).tolist()
    ([0], [0.5], [0.693])
    """
    classes = predicted(outputs)
    scores = Scores(
        predicted=classes,
        confidence=np.empty(len(outputs)),
        margin=np.empty(len(outputs)),
        nll=None if labels is None else np.empty(len(outputs)),
    )
    for rows in row_blocks(outputs.shape):
        log_p = log_probabilities(outputs[rows], kind)
        each = np.arange(len(log_p))
        if labels is not None and scores.nll is not None:
            scores.nll[rows] = -log_p[each, labels[rows]]
        scores.confidence[rows] = np.exp(log_p[each, classes[rows]])
        # The runner-up is the largest of the others: the block is ours, so its winner may be struck out.
        log_p[each, classes[rows]] = -np.inf
        scores.margin[rows] = scores.confidence[rows] - np.exp(log_p.max(axis=1))
    return scores
