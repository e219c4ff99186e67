"""Flips: samples whose predicted class the candidate changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.statistics import FRACTION, NO_LABELS, mid_p_mcnemar, proportion
from compress_onnx.records import Better, FlipKind, FlipSummary, Measure, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair

P_VALUE = "p-value"


def flip_kinds(
    baseline_class: NDArray[np.int64], candidate_class: NDArray[np.int64], labels: NDArray[np.int64] | None
) -> NDArray[np.str_]:
    """Name what happened to each sample, (N,) str of :class:`FlipKind` values.

    Right to wrong is negative, wrong to right positive, wrong to another wrong lateral; without
    labels a flip is unlabeled, while an unchanged class is the same whatever is true.

    >>> flip_kinds(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2]), np.array([0, 0, 0, 0])).tolist()
    ['same', 'negative', 'positive', 'lateral']
    """
    same = baseline_class == candidate_class
    if labels is None:
        return np.where(same, FlipKind.SAME.value, FlipKind.UNLABELLED.value)
    return np.select(
        [same, baseline_class == labels, candidate_class == labels],
        [FlipKind.SAME.value, FlipKind.NEGATIVE.value, FlipKind.POSITIVE.value],
        default=FlipKind.LATERAL.value,
    )


def flip_summary(pair: LogitPair) -> FlipSummary:
    """Count the flips and their kinds, with each rate's exact interval and McNemar's mid-p.

    Without labels the kinds are ``None``, their rates and the p-value undefined.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.eye(2, dtype=np.float32)
    >>> pair = LogitPair(labels=np.array([0, 1]), baseline=logits, candidate=logits[[0, 0]], class_names=("a", "b"))
    >>> summary = flip_summary(pair)
    >>> summary.flips, summary.negative, summary.positive, summary.rate.value
    (1, 1, 0, 0.5)
    """
    flips, counts = int(np.count_nonzero(pair.flipped)), pair.counts
    negative = None if counts is None else counts.only_baseline
    positive = None if counts is None else counts.only_candidate
    lateral = None if counts is None else flips - counts.discordant
    return FlipSummary(
        n=pair.n,
        flips=flips,
        negative=negative,
        positive=positive,
        lateral=lateral,
        rate=proportion(flips, pair.n, better=Better.LOWER),
        mcnemar_p=_mcnemar(pair),
        negative_rate=_rate(negative, pair.n, Better.LOWER),
        positive_rate=_rate(positive, pair.n, Better.HIGHER),
        lateral_rate=_rate(lateral, pair.n, Better.LOWER),
    )


def _rate(count: int | None, n: int, better: Better) -> Measure:
    if count is None:
        return undefined(NO_LABELS, unit=FRACTION, better=better)
    return proportion(count, n, better=better)


def _mcnemar(pair: LogitPair) -> Measure:
    if pair.counts is None:
        return undefined(NO_LABELS, unit=P_VALUE, better=Better.NEITHER)
    p = mid_p_mcnemar(pair.counts.only_baseline, pair.counts.only_candidate)
    return Measure(value=p, unit=P_VALUE, better=Better.NEITHER, n=pair.n)
