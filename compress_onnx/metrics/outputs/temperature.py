"""The temperature that would repair a model's confidence, and the calibration error (ECE) it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from compress_onnx.metrics.outputs.probabilities import OutputKind, Outputs, log_probabilities, predicted, row_blocks
from compress_onnx.metrics.outputs.reliability import expected_calibration_error
from compress_onnx.metrics.statistics import FRACTION
from compress_onnx.records import Better, Measure, TemperatureRepair, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.outputs.pair import LogitPair

RATIO = "ratio"
# Beyond these a network says nothing, or the calibration samples are told apart without error.
COLDEST, HOTTEST = 0.05, 20.0
# Three digits are more than a few thousand samples can tell.
_TOLERANCE = 1e-4
_LARGEST = 1e30
NO_OPTIMUM = f"no temperature from {COLDEST} to {HOTTEST} is best: the calibration half may hold no mistake"


def temperature_repair(
    pair: LogitPair, calibration: NDArray[np.int64], evaluation: NDArray[np.int64]
) -> TemperatureRepair:
    """Return both models' temperatures, fitted on ``calibration``, and their ECE on ``evaluation``.

    Both are indices of samples; the pair has labels. A temperature above 1 says that the model is
    too sure of itself. ECE is over bins of equal width.
    """
    if pair.labels is None:
        raise ValueError("temperatures need labels")
    own = pair.labels[evaluation]
    (baseline, repaired_baseline), (candidate, repaired_candidate) = (
        _repaired(outputs, kind, pair.labels, (calibration, evaluation))
        for outputs, kind in zip((pair.baseline, pair.candidate), pair.kinds, strict=True)
    )
    ece_baseline, ece_candidate = (
        _ece(scores.confidence[evaluation], scores.predicted[evaluation] == own)
        for scores in (pair.baseline_scores, pair.candidate_scores)
    )
    return TemperatureRepair(
        temperature_baseline=baseline,
        temperature_candidate=candidate,
        ece_baseline=ece_baseline,
        ece_candidate=ece_candidate,
        repaired_ece_baseline=repaired_baseline,
        repaired_ece_candidate=repaired_candidate,
    )


def fitted_temperature(outputs: Outputs, labels: NDArray[np.int64], kind: OutputKind) -> float | None:
    """Return the T at which the softmax of ``logits / T`` has the smallest NLL on (M, C) outputs.

    Guo et al. 2017 (On Calibration of Modern Neural Networks); the NLL is convex in 1 / T, so its
    slope has one root. Probabilities stand for their logarithms. ``None`` without samples, or where
    the best T lies outside ``COLDEST`` to ``HOTTEST``.

    >>> logits = np.log(np.array([[0.9, 0.1]] * 4))
    >>> round(fitted_temperature(logits, np.array([0, 0, 0, 1]), OutputKind.LOGITS), 3)  # 0.9 is right 0.75
    2.0
    """
    if len(outputs) == 0:
        return None
    blocks = [_centered(outputs[rows], labels[rows], kind) for rows in row_blocks(outputs.shape)]

    def slope(log_t: float) -> float:
        return sum(_slope(block, np.exp(-log_t)) for block in blocks) / len(outputs)

    low, high = np.log(COLDEST), np.log(HOTTEST)
    if not slope(low) > 0 > slope(high):
        return None
    return float(np.exp(brentq(slope, low, high, xtol=_TOLERANCE)))


def no_repair(reason: str) -> TemperatureRepair:
    """Return the record of a repair that could not be tried.

    >>> no_repair("no labels").temperature_candidate.undefined_reason
    'no labels'
    """
    temperature = undefined(reason, unit=RATIO, better=Better.NEITHER)
    error = undefined(reason, unit=FRACTION, better=Better.LOWER)
    return TemperatureRepair(
        temperature_baseline=temperature,
        temperature_candidate=temperature,
        ece_baseline=error,
        ece_candidate=error,
        repaired_ece_baseline=error,
        repaired_ece_candidate=error,
    )


def _repaired(
    outputs: Outputs, kind: OutputKind, labels: NDArray[np.int64], halves: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[Measure, Measure]:
    """Return a model's temperature, and its ECE on the evaluation half once repaired."""
    calibration, evaluation = halves
    temperature = fitted_temperature(outputs[calibration], labels[calibration], kind)
    if temperature is None:
        nothing = no_repair(NO_OPTIMUM)
        return nothing.temperature_baseline, nothing.repaired_ece_baseline
    chosen = outputs[evaluation]
    right = predicted(chosen) == labels[evaluation]
    return (
        Measure(value=temperature, unit=RATIO, better=Better.NEITHER, n=len(calibration)),
        _ece(_confidence_at(temperature, chosen, kind), right),
    )


def _ece(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Measure:
    # The evaluation half is never empty: of two samples it gets one.
    value = expected_calibration_error(confidence, right)
    return Measure(value=value, unit=FRACTION, better=Better.LOWER, n=len(right))


def _confidence_at(temperature: float, outputs: Outputs, kind: OutputKind) -> NDArray[np.float64]:
    """Return the largest probability (N,) of the softmax at a temperature."""
    confidence = np.empty(len(outputs))
    for rows in row_blocks(outputs.shape):
        z = _logits(outputs[rows], kind).astype(np.float64)
        z -= z.max(axis=1, keepdims=True)
        z /= temperature
        np.exp(z, out=z)
        confidence[rows] = 1 / z.sum(axis=1)
    return confidence


def _logits(outputs: Outputs, kind: OutputKind) -> Outputs:
    return outputs if kind is OutputKind.LOGITS else log_probabilities(outputs, kind)


def _centered(outputs: Outputs, labels: NDArray[np.int64], kind: OutputKind) -> NDArray[np.float32]:
    """Return logits minus the true class's, (M, C): the slope needs nothing else, and float32 suffices."""
    z = _logits(outputs, kind).astype(np.float64)
    z -= z[np.arange(len(z)), labels][:, None]
    # Beyond this a softmax is 0 or 1 at every temperature, and float32 is near its end.
    return np.clip(z, -_LARGEST, _LARGEST, out=z).astype(np.float32)


def _slope(centered: NDArray[np.float32], inverse: float) -> float:
    """Return the sum over samples of ``-d NLL / d (1 / T)``, minus each mean of the centered logits."""
    weights = (centered - centered.max(axis=1, keepdims=True)) * np.float32(inverse)
    np.exp(weights, out=weights)
    expected = np.einsum("nc,nc->n", weights, centered) / weights.sum(axis=1)
    return float(expected.sum(dtype=np.float64))
