"""Two models' outputs on the same samples, checked once and derived once."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.errors import DataError
from compress_onnx.metrics.outputs.probabilities import OutputKind, output_kinds
from compress_onnx.metrics.outputs.scores import Scores, scored
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
