"""How far the candidate's class probabilities are from the baseline's, in nats; needs no labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.measures import NATS, mean
from compress_onnx.metrics.probabilities import log_probabilities, output_kinds, row_blocks
from compress_onnx.records import Better, Measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from compress_onnx.extension_points import PredictionPair


def jensen_shannon(pair: PredictionPair) -> Measure:
    """Return the mean Jensen-Shannon divergence of the two models' probabilities, 0 to ln 2 nats.

    ``(KL(P || M) + KL(Q || M)) / 2`` with ``M = (P + Q) / 2`` per sample (Lin 1991); symmetric.

    >>> from compress_onnx.metrics.pair import LogitPair
    >>> logits = np.array([[2.0, 1.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> jensen_shannon(pair).value
    0.0
    """
    values = _per_sample(pair, jensen_shannon_of)
    return mean(values, unit=NATS, better=Better.LOWER, bounds=(0, math.log(2)))


def kullback_leibler(pair: PredictionPair) -> Measure:
    """Return the mean Kullback-Leibler divergence of baseline from candidate, at least 0 nats.

    ``sum_c P_c (ln P_c - ln Q_c)`` per sample, P baseline and Q candidate (Kullback & Leibler 1951).

    >>> from compress_onnx.metrics.pair import LogitPair
    >>> logits = np.array([[2.0, 1.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> kullback_leibler(pair).value
    0.0
    """
    values = _per_sample(pair, kullback_leibler_of)
    return mean(values, unit=NATS, better=Better.LOWER, bounds=(0, math.inf))


def jensen_shannon_of(log_p: NDArray[np.float64], log_q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the divergence (N,) of log-probabilities (N, C), both finite.

    >>> certain = np.log(np.array([[1.0, 1e-300], [1e-300, 1.0]]))
    >>> jensen_shannon_of(certain, certain[::-1]).round(4).tolist()
    [0.6931, 0.6931]
    """
    p, q = np.exp(log_p), np.exp(log_q)
    # Where both underflow to 0 nothing is added; the smallest float keeps the logarithm finite there.
    log_m = np.log(np.maximum((p + q) / 2, np.finfo(np.float64).tiny))
    divergence = (np.einsum("nc,nc->n", p, log_p - log_m) + np.einsum("nc,nc->n", q, log_q - log_m)) / 2
    return np.asarray(np.clip(divergence, 0, math.log(2)))


def kullback_leibler_of(log_p: NDArray[np.float64], log_q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the divergence (N,) of P from Q given log-probabilities (N, C), both finite.

    >>> kullback_leibler_of(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])).round(4).tolist()
    [0.1438]
    """
    return np.asarray(np.maximum(np.einsum("nc,nc->n", np.exp(log_p), log_p - log_q), 0))


def _per_sample(
    pair: PredictionPair, divergence: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    kind_p, kind_q = output_kinds(pair.baseline, pair.candidate)
    return np.concatenate(
        [
            divergence(log_probabilities(pair.baseline[rows], kind_p), log_probabilities(pair.candidate[rows], kind_q))
            for rows in row_blocks(pair.baseline.shape)
        ]
    )
