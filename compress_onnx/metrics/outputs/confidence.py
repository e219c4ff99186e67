"""How the confidence of the predictions moved from baseline to candidate, and whether it is still to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from compress_onnx.metrics.outputs.reliability import equal_mass_bins, equal_width_bins, reliability_bins, weighted_gap
from compress_onnx.metrics.statistics import FRACTION, NATS, NO_LABELS, mean
from compress_onnx.records import Better, ConfidenceShift, Histogram, Measure, ReliabilityBin, undefined

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair, Scores

BINNINGS = (equal_width_bins, equal_mass_bins)
# An odd number: unchanged predictions fall into the middle bin, not on an edge.
CHANGE_BINS = 41


def confidence_shift(pair: LogitPair) -> ConfidenceShift:
    """Return confidence of both models, its change, and whether it is to be trusted.

    The confidence of each model is the probability of *its own* predicted class; changes are
    candidate minus baseline, of the same samples. Calibration errors (ECE), NLL (mean negative
    log-likelihood, nats) and Brier score (``sum_c (p_c - y_c)^2``, 0 to 2; Brier 1950) are
    undefined without labels, and the reliability bins empty. Changes of NLL and Brier score have a
    paired t interval, those of ECE none (see :func:`calibration_errors`).

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.array([[0.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> shift = confidence_shift(pair)
    >>> shift.mean_baseline.value, shift.change_all.value, shift.ece_baseline.undefined_reason
    (0.5, 0.0, 'the data has no labels')
    """
    baseline, candidate = pair.baseline_scores, pair.candidate_scores
    change = candidate.confidence - baseline.confidence
    width, mass = calibration_errors(pair)
    nll, brier = _losses(pair, "nll"), _losses(pair, "brier")
    return ConfidenceShift(
        mean_baseline=_mean(baseline.confidence),
        mean_candidate=_mean(candidate.confidence),
        change_all=_change(change, "there are no samples"),
        change_same=_change(change[~pair.flipped], "every prediction flipped"),
        change_flipped=_change(change[pair.flipped], "no prediction flipped"),
        ece_baseline=width[0],
        ece_candidate=width[1],
        nll_baseline=nll[0],
        nll_candidate=nll[1],
        change_histogram=change_histogram(change),
        reliability_baseline=_bins(baseline, pair.labels),
        reliability_candidate=_bins(candidate, pair.labels),
        margin_baseline=_mean(baseline.margin),
        margin_candidate=_mean(candidate.margin),
        margin_change=_change(candidate.margin - baseline.margin, "there are no samples"),
        ece_change=width[2],
        ece_equal_mass_baseline=mass[0],
        ece_equal_mass_candidate=mass[1],
        ece_equal_mass_change=mass[2],
        nll_change=nll[2],
        brier_baseline=brier[0],
        brier_candidate=brier[1],
        brier_change=brier[2],
    )


def calibration_errors(pair: LogitPair) -> tuple[tuple[Measure, Measure, Measure], ...]:
    """Return the ECE of baseline and candidate and its change, for each of ``BINNINGS``.

    None has an interval. Chance inflates an ECE most where a model is nearly calibrated, and no
    bootstrap undoes it: simulated at 1,500 to 4,000 samples, the paired basic bootstrap (Davison &
    Hinkley 1997, section 5.2) at a nominal 95 % covered the true change 68 to 80 % of the time where
    the baseline was calibrated, percentiles 31 to 46 %. NLL and Brier score have changes with
    intervals. Undefined without labels.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.array([[0.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 1]), baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> [measure.value for measure in calibration_errors(pair)[0]]
    [0.0, 0.0, 0.0]
    """
    if pair.labels is None:
        nothing = undefined(NO_LABELS, unit=FRACTION, better=Better.LOWER)
        return tuple((nothing, nothing, nothing) for _ in BINNINGS)
    return tuple(_errors(pair, pair.labels, bins) for bins in BINNINGS)


def change_histogram(change: NDArray[np.float64]) -> Histogram:
    """Count (N,) changes of confidence in bins of equal width from -1 to 1; empty gives zeros.

    >>> histogram = change_histogram(np.array([0.0, 0.001, -0.001, 1.0]))
    >>> histogram.counts[20], histogram.counts[40]
    (3, 1)
    """
    counts, edges = np.histogram(change, bins=CHANGE_BINS, range=(-1, 1))
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


def _mean(values: NDArray[np.float64]) -> Measure:
    return mean(values, unit=FRACTION, better=Better.NEITHER, bounds=(0, 1))


def _change(change: NDArray[np.float64], nothing: str) -> Measure:
    return mean(change, unit=FRACTION, better=Better.NEITHER, bounds=(-1, 1), nothing=nothing)


def _losses(pair: LogitPair, name: Literal["nll", "brier"]) -> tuple[Measure, Measure, Measure]:
    """Return a mean loss of baseline and candidate and its paired change."""
    unit, most = (NATS, np.inf) if name == "nll" else (FRACTION, 2.0)
    baseline, candidate = pair.baseline_scores.truth, pair.candidate_scores.truth
    if baseline is None or candidate is None:
        nothing = undefined(NO_LABELS, unit=unit, better=Better.LOWER)
        return nothing, nothing, nothing
    before, after = getattr(baseline, name), getattr(candidate, name)
    return (
        mean(before, unit=unit, better=Better.LOWER, bounds=(0, most)),
        mean(after, unit=unit, better=Better.LOWER, bounds=(0, most)),
        mean(after - before, unit=unit, better=Better.LOWER, bounds=(-most, most)),
    )


def _bins(scores: Scores, labels: NDArray[np.int64] | None) -> tuple[ReliabilityBin, ...]:
    return () if labels is None else reliability_bins(scores.confidence, scores.predicted == labels)


def _errors(
    pair: LogitPair, labels: NDArray[np.int64], bins: Callable[[NDArray[np.float64]], NDArray[np.int64]]
) -> tuple[Measure, Measure, Measure]:
    before, after = (_error(scores, labels, bins) for scores in (pair.baseline_scores, pair.candidate_scores))
    first, second, change = (
        Measure(value=value, unit=FRACTION, better=Better.LOWER, n=pair.n) for value in (before, after, after - before)
    )
    return first, second, change


def _error(
    scores: Scores, labels: NDArray[np.int64], bins: Callable[[NDArray[np.float64]], NDArray[np.int64]]
) -> float:
    # A pair has at least one sample, so that the error exists.
    return weighted_gap(bins(scores.confidence), (scores.predicted == labels) - scores.confidence) or 0.0
