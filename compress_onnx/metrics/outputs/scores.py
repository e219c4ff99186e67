"""What each sample got from one model: class, confidence, margin and losses, computed in one pass."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.outputs.probabilities import OutputKind, Outputs, log_probabilities, predicted, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueClassScores:
    """Per-sample results of one model that need labels.

    ``nll`` (N,) float64 nats, minus the logarithm of the true class's probability; ``brier`` (N,)
    float64, ``sum_c (p_c - y_c)^2`` (Brier 1950), 0 to 2; ``rank`` (N,) int64, the number of
    classes placed before the true one: larger outputs, and equal ones of lower index.
    """

    nll: NDArray[np.float64]
    brier: NDArray[np.float64]
    rank: NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Per-sample results of one model.

    ``predicted`` (N,) int64; ``confidence`` (N,) float64, the probability of the predicted class;
    ``margin`` (N,) float64; ``truth`` what needs labels, or ``None`` without them.
    """

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    truth: TrueClassScores | None


def scored(outputs: Outputs, labels: NDArray[np.int64] | None, kind: OutputKind) -> Scores:
    """Return the scores of one model's outputs (N, C), C at least 2; labels (N,) lie within C.

    >>> scores = scored(np.array([[0.0, 0.0]]), np.array([1]), OutputKind.LOGITS)
    >>> scores.predicted.tolist(), scores.confidence.tolist(), scores.truth.nll.round(3).tolist()
    ([0], [0.5], [0.693])
    """
    n, classes = len(outputs), predicted(outputs)
    truth = None
    if labels is not None:
        truth = TrueClassScores(nll=np.empty(n), brier=np.empty(n), rank=np.empty(n, dtype=np.int64))
    scores = Scores(predicted=classes, confidence=np.empty(n), margin=np.empty(n), truth=truth)
    for rows in row_blocks(outputs.shape):
        log_p = log_probabilities(outputs[rows], kind)
        each = np.arange(len(log_p))
        if labels is not None and truth is not None:
            own = labels[rows]
            truth.nll[rows] = -log_p[each, own]
            truth.brier[rows] = _brier(log_p, truth.nll[rows])
            truth.rank[rows] = _rank(outputs[rows], own)
        scores.confidence[rows] = np.exp(log_p[each, classes[rows]])
        # The runner-up is the largest of the others: the block is ours, so its winner may be struck out.
        log_p[each, classes[rows]] = -np.inf
        scores.margin[rows] = scores.confidence[rows] - np.exp(log_p.max(axis=1))
    return scores


def _brier(log_p: NDArray[np.float64], nll: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.exp(log_p)
    # sum (p - y)^2 = sum p^2 - 2 p_true + 1; rounding must not make a loss negative.
    return np.asarray(np.maximum(np.einsum("nc,nc->n", p, p) - 2 * np.exp(-nll) + 1, 0))


def _rank(outputs: Outputs, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    own = outputs[np.arange(len(outputs)), labels][:, None]
    before = np.count_nonzero(outputs > own, axis=1)
    ties = (outputs == own) & (np.arange(outputs.shape[1]) < labels[:, None])
    return np.asarray(before + np.count_nonzero(ties, axis=1), dtype=np.int64)
