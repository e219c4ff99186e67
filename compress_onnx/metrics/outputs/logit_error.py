"""How far the candidate's logits are from the baseline's, whatever they mean for the prediction."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.outputs.probabilities import OutputKind, row_blocks
from compress_onnx.metrics.statistics import mean
from compress_onnx.records import Better, Measure, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    absolute, square, largest, signal = _per_sample(pair)
    return LogitError(
        mean_absolute=mean(absolute, unit=LOGITS, better=Better.LOWER, bounds=(0, math.inf)),
        rms=_root(mean(square, unit=LOGITS, better=Better.LOWER, bounds=(0, math.inf))),
        largest=Measure(value=float(largest.max()), unit=LOGITS, better=Better.LOWER, n=pair.n),
        signal_to_noise=_ratio(float(signal.mean()), float(square.mean()), pair.n),
    )


def _per_sample(pair: LogitPair) -> NDArray[np.float64]:
    """Return mean absolute, mean square and largest error and mean square logit, (4, N)."""
    found = np.empty((4, pair.n))
    for rows in row_blocks(pair.baseline.shape):
        before = pair.baseline[rows].astype(np.float64)
        error = np.abs(pair.candidate[rows] - before)
        found[0, rows] = error.mean(axis=1)
        found[1, rows] = np.einsum("nc,nc->n", error, error) / error.shape[1]
        found[2, rows] = error.max(axis=1)
        found[3, rows] = np.einsum("nc,nc->n", before, before) / error.shape[1]
    return found


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
