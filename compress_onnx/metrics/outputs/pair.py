"""Two models' outputs on the same samples: checked once, and what each model gave each sample derived in one pass."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.errors import DataError
from compress_onnx.metrics.outputs.probabilities import (
    OutputKind,
    Outputs,
    log_probabilities,
    output_kinds,
    predicted,
    row_blocks,
)
from compress_onnx.metrics.statistics import PairedCounts, paired_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LogitPair:
    """Baseline and candidate on the same samples: what every metric sees.

    ``labels`` (N,) int64 or ``None``; ``baseline`` and ``candidate`` (N, C) finite outputs as the
    files return them (logits, or probabilities where the model ends in a softmax); ``class_names``
    (C,); N at least 1, C at least 2. The arrays are not copied and must not be changed.

    Errors
    ------
    DataError
        if shapes disagree, an output is not finite, or a label is not a class.

    >>> logits = np.array([[2.0, 1.0], [0.0, 3.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits[:, ::-1], class_names=("a", "b"))
    >>> pair.baseline_scores.predicted.tolist(), pair.candidate_scores.predicted.tolist()
    ([0, 1], [1, 0])
    """

    labels: NDArray[np.int64] | None
    baseline: NDArray[np.float32]
    candidate: NDArray[np.float32]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_finite(self.baseline, "baseline")
        _check_finite(self.candidate, "candidate")
        if self.labels is not None:
            _check_labels(self.labels, self.baseline.shape)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.baseline)

    @functools.cached_property
    def kinds(self) -> tuple[OutputKind, OutputKind]:
        """Whether baseline and candidate give logits or probabilities."""
        return output_kinds(self.baseline, self.candidate)

    @functools.cached_property
    def baseline_scores(self) -> Scores:
        """Per-sample results of the baseline."""
        return scored(self.baseline, self.labels, self.kinds[0])

    @functools.cached_property
    def candidate_scores(self) -> Scores:
        """Per-sample results of the candidate."""
        return scored(self.candidate, self.labels, self.kinds[1])

    @functools.cached_property
    def flipped(self) -> NDArray[np.bool_]:
        """Whether the predicted class differs, (N,)."""
        return np.asarray(self.baseline_scores.predicted != self.candidate_scores.predicted)

    @functools.cached_property
    def counts(self) -> PairedCounts | None:
        """Samples by which model was right, or ``None`` without labels."""
        if self.labels is None:
            return None
        return paired_counts(
            self.baseline_scores.predicted == self.labels, self.candidate_scores.predicted == self.labels
        )


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


def _check_shapes(pair: LogitPair) -> None:
    shape = pair.baseline.shape
    if shape != pair.candidate.shape:
        raise DataError(
            "outputs of one shape from both models",
            f"{shape} from the baseline and {pair.candidate.shape} from the candidate",
            remedy="Compare models with the same classes on the same images.",
        )
    if len(shape) != 2 or shape[0] < 1 or shape[1] < 2:
        raise DataError(
            "outputs of shape (samples, classes) with at least 1 sample and 2 classes",
            f"shape {shape}",
            remedy="Give images, and a model that tells classes apart.",
        )
    if len(pair.class_names) != shape[1]:
        raise DataError(
            f"{shape[1]} class names, one per output",
            str(len(pair.class_names)),
            remedy="Use the data set the model was trained for.",
        )


def _check_finite(outputs: NDArray[np.float32], model: str) -> None:
    finite = np.asarray(np.isfinite(outputs).all(axis=1))
    if not finite.all():
        raise DataError(
            f"finite outputs from the {model}",
            f"NaN or infinity for {np.count_nonzero(~finite)} of {len(finite)} samples",
            where=f"first at sample {int(np.argmin(finite))}",
            remedy="Check the model's weights and scales.",
        )


def _check_labels(labels: NDArray[np.int64], shape: tuple[int, ...]) -> None:
    samples, classes = shape
    if labels.shape != (samples,):
        raise DataError(
            f"{samples} labels, one per sample",
            f"labels of shape {labels.shape}",
            remedy="Use the labels that came with these images.",
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError("integer labels", f"{labels.dtype} labels", remedy="Number the classes from 0.")
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        first = int(np.argmax(outside))
        raise DataError(
            f"labels from 0 to {classes - 1}",
            f"{labels[first]}",
            where=f"sample {first}",
            remedy="Use the data set the model was trained for.",
        )


def _brier(log_p: NDArray[np.float64], nll: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.exp(log_p)
    # sum (p - y)^2 = sum p^2 - 2 p_true + 1; rounding must not make a loss negative.
    return np.asarray(np.maximum(np.einsum("nc,nc->n", p, p) - 2 * np.exp(-nll) + 1, 0))


def _rank(outputs: Outputs, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    own = outputs[np.arange(len(outputs)), labels][:, None]
    before = np.count_nonzero(outputs > own, axis=1)
    ties = (outputs == own) & (np.arange(outputs.shape[1]) < labels[:, None])
    return np.asarray(before + np.count_nonzero(ties, axis=1), dtype=np.int64)
