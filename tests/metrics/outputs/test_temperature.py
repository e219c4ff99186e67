from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.outputs.probabilities import OutputKind
from compress_onnx.metrics.outputs.temperature import fitted_temperature
from compress_onnx.metrics.outputs.uncertainty import uncertainty_shift


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_temperature_minimises_the_loss(make_pair: Callable[..., LogitPair], scale: float) -> None:
    pair = make_pair(n=900, c=700)  # several blocks
    outputs = scale * pair.baseline.astype(np.float64)

    def nll(log_t: float) -> float:
        log_p = log_softmax(outputs / np.exp(log_t), axis=1)
        return -float(log_p[np.arange(len(log_p)), pair.labels].mean())

    reference = minimize_scalar(nll, bounds=(-3, 3), method="bounded", options={"xatol": 1e-6})
    assert fitted_temperature(outputs, pair.labels, OutputKind.LOGITS) == pytest.approx(np.exp(reference.x), rel=1e-3)


def test_scaled_logits_have_a_scaled_temperature(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=2000)
    once, thrice = (fitted_temperature(k * pair.baseline, pair.labels, OutputKind.LOGITS) for k in (1, 3))
    assert thrice == pytest.approx(3 * once, rel=1e-3)


def test_probabilities_have_the_temperature_of_their_logits(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=2000)
    closed = fitted_temperature(softmax(pair.baseline, axis=1), pair.labels, OutputKind.PROBABILITIES)
    assert closed == pytest.approx(fitted_temperature(pair.baseline, pair.labels, OutputKind.LOGITS), rel=1e-3)


def test_it_repairs_an_overconfident_candidate(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=6000)
    loud = LogitPair(
        labels=pair.labels, baseline=pair.baseline, candidate=4 * pair.baseline, class_names=pair.class_names
    )
    found = uncertainty_shift(loud).temperature
    assert found.temperature_candidate.value == pytest.approx(4 * found.temperature_baseline.value, rel=1e-3)
    assert found.repaired_ece_candidate.value == pytest.approx(found.repaired_ece_baseline.value, abs=2e-3)
    assert found.repaired_ece_candidate.value < found.ece_candidate.value / 4


def test_a_model_without_mistakes_has_no_best_temperature() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2] * 8]
    labels = np.array([0, 1, 2] * 8)
    assert fitted_temperature(logits, labels, OutputKind.LOGITS) is None
    found = uncertainty_shift(
        LogitPair(labels=labels, baseline=logits, candidate=logits, class_names=("a", "b", "c"))
    ).temperature
    assert found.ece_candidate.value is not None
    for measure in (found.temperature_candidate, found.repaired_ece_candidate):
        assert "may hold no mistake" in measure.undefined_reason


def test_nothing_fits_nothing() -> None:
    assert fitted_temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64), OutputKind.LOGITS) is None
