"""How far the candidate's outputs are from the baseline's; needs no labels.

Probabilities are compared in nats, logits as the files return them, whatever they mean for the prediction.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.outputs.probabilities import OutputKind, log_probabilities, output_kinds, row_blocks
from compress_onnx.metrics.statistics import NATS, mean
from compress_onnx.records import Better, Measure, OutputDivergence, undefined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from compress_onnx.extension_points import PredictionPair
    from compress_onnx.metrics.outputs.pair import LogitPair

LOGITS = "logits"
DECIBEL = "dB"
NO_LOGITS = "a model returns probabilities, not logits"
NO_NOISE = "the candidate's logits are the baseline's: the ratio has no bound"
NO_SIGNAL = "the baseline's logits are all 0"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogitError:
    """Four measures of the difference of all N x C logits, candidate minus baseline."""

    mean_absolute: Measure
    rms: Measure
    largest: Measure
    signal_to_noise: Measure


def output_divergence(pair: LogitPair) -> OutputDivergence:
    """Return how far apart the two models' probabilities and logits are.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.array([[2.0, 1.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits + 1, class_names=("a", "b"))
    >>> divergence = output_divergence(pair)
    >>> divergence.jensen_shannon.value, divergence.logit_mean_absolute_error.value
    (0.0, 1.0)
    """
    js, kl = _both_per_sample(pair)
    error = logit_error(pair)
    return OutputDivergence(
        jensen_shannon=_jensen_shannon(js),
        kullback_leibler=_kullback_leibler(kl),
        logit_mean_absolute_error=error.mean_absolute,
        logit_rms_error=error.rms,
        logit_max_error=error.largest,
        logit_signal_to_noise=error.signal_to_noise,
    )


def jensen_shannon(pair: PredictionPair) -> Measure:
    """Return the mean Jensen-Shannon divergence of the two models' probabilities, 0 to ln 2 nats.

    ``(KL(P || M) + KL(Q || M)) / 2`` with ``M = (P + Q) / 2`` per sample (Lin 1991); symmetric. It
    is also the built-in at the plug-in door, ``extra.jensen_shannon``: an example of what a metric
    from outside may do.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.array([[2.0, 1.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> jensen_shannon(pair).value
    0.0
    """
    return _jensen_shannon(_per_sample(pair, jensen_shannon_of))


def kullback_leibler(pair: PredictionPair) -> Measure:
    """Return the mean Kullback-Leibler divergence of baseline from candidate, at least 0 nats.

    ``sum_c P_c (ln P_c - ln Q_c)`` per sample, P baseline and Q candidate (Kullback & Leibler 1951).

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.array([[2.0, 1.0]], dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b"))
    >>> kullback_leibler(pair).value
    0.0
    """
    return _kullback_leibler(_per_sample(pair, kullback_leibler_of))


def logit_error(pair: LogitPair) -> LogitError:
    """Return mean absolute, root-mean-square and largest error of the logits, and the noise they make.

    Signal to noise is ``10 log10(sum b^2 / sum (c - b)^2)`` dB over all logits b of the baseline
    and c of the candidate. The mean error has a t interval over samples; that of the
    root-mean-square is the root of the mean square's. Undefined where a model returns
    probabilities; the ratio also where there is no difference, or no signal.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.array([[3.0, 0.0], [0.0, 3.0]], dtype=np.float32)
    >>> error = logit_error(LogitPair(labels=None, baseline=logits, candidate=1.1 * logits, class_names=("a", "b")))
    >>> round(error.mean_absolute.value, 3), round(error.signal_to_noise.value, 3)
    (0.15, 20.0)
    """
    if OutputKind.PROBABILITIES in pair.kinds:
        nothing = undefined(NO_LOGITS, unit=LOGITS, better=Better.LOWER)
        ratio = undefined(NO_LOGITS, unit=DECIBEL, better=Better.HIGHER)
        return LogitError(mean_absolute=nothing, rms=nothing, largest=nothing, signal_to_noise=ratio)
    absolute, square, largest, signal = _errors_per_sample(pair)
    return LogitError(
        mean_absolute=mean(absolute, unit=LOGITS, better=Better.LOWER, bounds=(0, math.inf)),
        rms=_root(mean(square, unit=LOGITS, better=Better.LOWER, bounds=(0, math.inf))),
        largest=Measure(value=float(largest.max()), unit=LOGITS, better=Better.LOWER, n=pair.n),
        signal_to_noise=_ratio(float(signal.mean()), float(square.mean()), pair.n),
    )


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


def _jensen_shannon(values: NDArray[np.float64]) -> Measure:
    return mean(values, unit=NATS, better=Better.LOWER, bounds=(0, math.log(2)))


def _kullback_leibler(values: NDArray[np.float64]) -> Measure:
    return mean(values, unit=NATS, better=Better.LOWER, bounds=(0, math.inf))


def _per_sample(
    pair: PredictionPair, divergence: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    return np.concatenate([divergence(log_p, log_q) for log_p, log_q in _blocks(pair)])


def _both_per_sample(pair: LogitPair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both divergences (N,) from one pass over the outputs, which costs most."""
    js, kl = zip(*((jensen_shannon_of(p, q), kullback_leibler_of(p, q)) for p, q in _blocks(pair)), strict=True)
    return np.concatenate(js), np.concatenate(kl)


def _blocks(pair: PredictionPair) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    kind_p, kind_q = output_kinds(pair.baseline, pair.candidate)
    for rows in row_blocks(pair.baseline.shape):
        yield log_probabilities(pair.baseline[rows], kind_p), log_probabilities(pair.candidate[rows], kind_q)


def _errors_per_sample(pair: LogitPair) -> NDArray[np.float64]:
    """Return mean absolute, mean square and largest error and mean square logit, (4, N)."""
    per_sample = np.empty((4, pair.n))
    for rows in row_blocks(pair.baseline.shape):
        before = pair.baseline[rows].astype(np.float64)
        error = np.abs(pair.candidate[rows] - before)
        per_sample[0, rows] = error.mean(axis=1)
        per_sample[1, rows] = np.einsum("nc,nc->n", error, error) / error.shape[1]
        per_sample[2, rows] = error.max(axis=1)
        per_sample[3, rows] = np.einsum("nc,nc->n", before, before) / error.shape[1]
    return per_sample


def _root(square: Measure) -> Measure:
    if square.value is None:
        return square
    interval = square.interval
    if interval is not None:
        interval = dataclasses.replace(
            interval,
            low=math.sqrt(interval.low),
            high=math.sqrt(interval.high),
            method=f"{interval.method}, root of the mean square's",
        )
    return dataclasses.replace(square, value=math.sqrt(square.value), interval=interval)


def _ratio(signal: float, noise: float, n: int) -> Measure:
    if noise == 0 or signal == 0:
        return undefined(NO_NOISE if noise == 0 else NO_SIGNAL, unit=DECIBEL, better=Better.HIGHER, n=n)
    value = 10 * (math.log10(signal) - math.log10(noise))
    return Measure(value=value, unit=DECIBEL, better=Better.HIGHER, n=n)
