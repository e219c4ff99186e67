"""How the confidence of the predictions moved from baseline to candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.measures import FRACTION, NATS, NO_LABELS, mean
from compress_onnx.metrics.reliability import expected_calibration_error, reliability_bins
from compress_onnx.records import (
    Better,
    ConfidenceShift,
    Histogram,
    Measure,
    ReliabilityBin,
    undefined,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.pair import LogitPair
    from compress_onnx.metrics.scores import Scores

# An odd number: unchanged predictions fall into the middle bin, not on an edge.
CHANGE_BINS = 41


def confidence_shift(pair: LogitPair) -> ConfidenceShift:
    """Return confidence of both models, its change, and whether it is to be trusted.

    The confidence of each model is the probability of *its own* predicted class; changes are
    candidate minus baseline. Calibration error and NLL (mean negative log-likelihood, nats) are
    undefined without labels, and the reliability bins empty.

    >>> from compress_onnx.metrics.pair import LogitPair
    >>> logits = np.array([[0.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> shift = confidence_shift(pair)
    >>> shift.mean_baseline.value, shift.change_all.value, shift.ece_baseline.undefined_reason
    (0.5, 0.0, 'the data has no labels')
    """
    baseline, candidate = pair.baseline_scores, pair.candidate_scores
    change = candidate.confidence - baseline.confidence
    return ConfidenceShift(
        mean_baseline=mean(baseline.confidence, unit=FRACTION, better=Better.NEITHER, bounds=(0, 1)),
        mean_candidate=mean(candidate.confidence, unit=FRACTION, better=Better.NEITHER, bounds=(0, 1)),
        change_all=_change(change, "there are no samples"),
        change_same=_change(change[~pair.flipped], "every prediction flipped"),
        change_flipped=_change(change[pair.flipped], "no prediction flipped"),
        ece_baseline=_ece(baseline, pair.labels),
        ece_candidate=_ece(candidate, pair.labels),
        nll_baseline=_nll(baseline),
        nll_candidate=_nll(candidate),
        change_histogram=change_histogram(change),
        reliability_baseline=_bins(baseline, pair.labels),
        reliability_candidate=_bins(candidate, pair.labels),
    )


def change_histogram(change: NDArray[np.float64]) -> Histogram:
    """Count (N,) changes of confidence in bins of equal width from -1 to 1; empty gives zeros.

    >>> histogram = change_histogram(np.array([0.0, 0.001, -0.001, 1.0]))
    >>> histogram.counts[20], histogram.counts[40]
    (3, 1)
    """
    counts, edges = np.histogram(change, bins=CHANGE_BINS, range=(-1, 1))
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


def _change(change: NDArray[np.float64], nothing: str) -> Measure:
    return mean(change, unit=FRACTION, better=Better.NEITHER, bounds=(-1, 1), nothing=nothing)


def _ece(scores: Scores, labels: NDArray[np.int64] | None) -> Measure:
    if labels is None:
        return undefined(NO_LABELS, unit=FRACTION, better=Better.LOWER)
    value = expected_calibration_error(scores.confidence, scores.predicted == labels)
    return Measure(value=value, unit=FRACTION, better=Better.LOWER, n=len(labels))


def _nll(scores: Scores) -> Measure:
    if scores.nll is None:
        return undefined(NO_LABELS, unit=NATS, better=Better.LOWER)
    return mean(scores.nll, unit=NATS, better=Better.LOWER, bounds=(0, np.inf))


def _bins(scores: Scores, labels: NDArray[np.int64] | None) -> tuple[ReliabilityBin, ...]:
    return () if labels is None else reliability_bins(scores.confidence, scores.predicted == labels)
