"""Split-conformal prediction sets: whether the baseline's 90 % sets still hold for the candidate."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.outputs.probabilities import OutputKind, Outputs, log_probabilities, row_blocks
from compress_onnx.metrics.statistics import FRACTION, mean, paired_change, paired_counts, proportion
from compress_onnx.records import Better, ConformalSets, Measure, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair

COVERAGE = 0.9
CLASSES = "classes"
# A class with fewer samples in the evaluation half says little about its own coverage.
WORST_SUPPORT = 10
FEW_CALIBRATION = "fewer than 9 samples calibrate: no threshold promises 90 % coverage"
FEW_OF_EACH = f"no class has {WORST_SUPPORT} samples in the evaluation half"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sets:
    """One model's prediction sets: whether each holds the true class, and its size, (N,) each."""

    covered: NDArray[np.bool_]
    size: NDArray[np.int64]


def conformal_sets(pair: LogitPair, calibration: NDArray[np.int64], evaluation: NDArray[np.int64]) -> ConformalSets:
    """Return coverage and size of both models' sets on ``evaluation`` at the baseline's threshold.

    A class belongs to a sample's set where its probability reaches the threshold that
    :func:`log_threshold` finds for the *baseline* on ``calibration`` (indices, as ``evaluation``): the
    promise made before compression, kept or broken after it. The worst class is the one that the
    candidate's sets cover least among those with ``WORST_SUPPORT`` evaluation samples, the first in
    label order on ties; it was chosen for being the worst, so its interval is optimistic. Sets may
    be empty: where the baseline is right more often than the sets promise, they leave out the
    samples it doubts most. The pair has labels.
    """
    baseline, candidate = pair.baseline_scores.truth, pair.candidate_scores.truth
    if pair.labels is None or baseline is None or candidate is None:
        raise ValueError("conformal sets need labels")
    threshold = log_threshold(-baseline.nll[calibration])
    if threshold is None:
        return no_sets(FEW_CALIBRATION)
    before = _sets(pair.baseline[evaluation], pair.kinds[0], threshold, baseline.nll[evaluation])
    after = _sets(pair.candidate[evaluation], pair.kinds[1], threshold, candidate.nll[evaluation])
    labels = pair.labels[evaluation]
    worst = _worst_class(after.covered, labels)
    own = labels == worst
    return ConformalSets(
        level=COVERAGE,
        threshold=math.exp(threshold),
        coverage_baseline=_coverage(before),
        coverage_candidate=_coverage(after),
        coverage_change=paired_change(paired_counts(before.covered, after.covered)),
        size_baseline=_size(before),
        size_candidate=_size(after),
        size_change=mean((after.size - before.size).astype(np.float64), unit=CLASSES, better=Better.LOWER),
        worst_class=None if worst is None else pair.class_names[worst],
        worst_coverage_baseline=_coverage(_of(before, own)),
        worst_coverage_candidate=_coverage(_of(after, own)),
        worst_size_baseline=_size(_of(before, own)),
        worst_size_candidate=_size(_of(after, own)),
    )


def log_threshold(log_p_true: NDArray[np.float64], level: float = COVERAGE) -> float | None:
    """Return the log-probability at which a class enters the sets, from the true classes' (M,).

    With the score ``1 - p_true`` ("least ambiguous" sets: Sadinle, Lei & Wasserman 2019, JASA 114,
    223-234) the threshold is the score of rank ``ceil((M + 1) level)``: sets of new samples then hold
    the true class with probability ``level`` at least (split conformal prediction: Vovk, Gammerman &
    Shafer 2005; Angelopoulos & Bates 2021, arXiv:2107.07511). ``None`` where M is too small for it.

    >>> math.exp(log_threshold(np.log(np.arange(1, 20) / 20))).__round__(3)
    0.1
    """
    m = len(log_p_true)
    # Rounding must not lift (M + 1) level over the whole number that it is.
    rank = math.ceil((m + 1) * level - 1e-9)
    if rank > m:
        return None
    return float(np.partition(log_p_true, m - rank)[m - rank])


def no_sets(reason: str) -> ConformalSets:
    """Return the record of sets that could not be made.

    >>> no_sets("no labels").coverage_candidate.undefined_reason
    'no labels'
    """
    coverage = undefined(reason, unit=FRACTION, better=Better.HIGHER)
    size = undefined(reason, unit=CLASSES, better=Better.LOWER)
    return ConformalSets(
        level=COVERAGE,
        threshold=None,
        coverage_baseline=coverage,
        coverage_candidate=coverage,
        coverage_change=coverage,
        size_baseline=size,
        size_candidate=size,
        size_change=size,
        worst_class=None,
        worst_coverage_baseline=coverage,
        worst_coverage_candidate=coverage,
        worst_size_baseline=size,
        worst_size_candidate=size,
    )


def _sets(outputs: Outputs, kind: OutputKind, threshold: float, nll: NDArray[np.float64]) -> Sets:
    size = np.empty(len(outputs), dtype=np.int64)
    for rows in row_blocks(outputs.shape):
        size[rows] = np.count_nonzero(log_probabilities(outputs[rows], kind) >= threshold, axis=1)
    return Sets(covered=-nll >= threshold, size=size)


def _worst_class(covered: NDArray[np.bool_], labels: NDArray[np.int64]) -> int | None:
    support, held = np.bincount(labels), np.bincount(labels, weights=covered)
    candidates = np.flatnonzero(support >= WORST_SUPPORT)
    if len(candidates) == 0:
        return None
    return int(candidates[np.argmin(held[candidates] / support[candidates])])


def _of(sets: Sets, own: NDArray[np.bool_]) -> Sets:
    return Sets(covered=sets.covered[own], size=sets.size[own])


def _coverage(sets: Sets) -> Measure:
    held = int(np.count_nonzero(sets.covered))
    return proportion(held, len(sets.covered), better=Better.HIGHER, nothing=FEW_OF_EACH)


def _size(sets: Sets) -> Measure:
    return mean(
        sets.size.astype(np.float64), unit=CLASSES, better=Better.LOWER, bounds=(0, math.inf), nothing=FEW_OF_EACH
    )
