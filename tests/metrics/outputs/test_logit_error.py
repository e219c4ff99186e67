import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import softmax

from compress_onnx.metrics.outputs.logit_error import logit_error
from compress_onnx.metrics.outputs.pair import LogitPair


def pair_of(baseline: list[list[float]], candidate: list[list[float]]) -> LogitPair:
    outputs = [np.array(rows, dtype=np.float32) for rows in (baseline, candidate)]
    return LogitPair(labels=None, baseline=outputs[0], candidate=outputs[1], class_names=("a", "b"))


def test_errors_agree_with_whole_array_formulas(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=2500, c=500, labeled=False)  # several blocks
    before, after = pair.baseline.astype(np.float64), pair.candidate.astype(np.float64)
    found = logit_error(pair)
    assert found.mean_absolute.value == pytest.approx(np.abs(after - before).mean())
    assert found.rms.value == pytest.approx(np.sqrt(((after - before) ** 2).mean()))
    assert found.largest.value == pytest.approx(np.abs(after - before).max())
    ratio = 10 * np.log10((before**2).sum() / ((after - before) ** 2).sum())
    assert found.signal_to_noise.value == pytest.approx(ratio)
    for measure in (found.mean_absolute, found.rms):
        assert measure.interval.low < measure.value < measure.interval.high


def test_ten_times_less_noise_is_20_decibels_more(make_pair: Callable[..., LogitPair]) -> None:
    loud, quiet = (logit_error(make_pair(noise=noise)).signal_to_noise.value for noise in (0.5, 0.05))
    assert quiet - loud == pytest.approx(20, abs=1e-3)


def test_equal_models_have_no_error_and_no_ratio() -> None:
    found = logit_error(pair_of([[3, 1]], [[3, 1]]))
    assert (found.mean_absolute.value, found.rms.value, found.largest.value) == (0, 0, 0)
    assert "no bound" in found.signal_to_noise.undefined_reason


def test_a_silent_baseline_has_no_ratio() -> None:
    found = logit_error(pair_of([[0, 0]], [[3, 1]]))
    assert found.signal_to_noise.undefined_reason == "the baseline's logits are all 0"
    assert found.rms.value == pytest.approx(math.sqrt(5))


def test_probabilities_are_no_logits(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(labeled=False)
    closed = LogitPair(
        labels=None, baseline=softmax(pair.baseline, axis=1), candidate=pair.candidate, class_names=pair.class_names
    )
    found = logit_error(closed)
    for measure in (found.mean_absolute, found.rms, found.largest, found.signal_to_noise):
        assert measure.undefined_reason == "a model returns probabilities, not logits"
