import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy

from compress_onnx.extension_points import metrics
from compress_onnx.metrics.outputs.divergence import jensen_shannon, kullback_leibler, logit_error, output_divergence
from compress_onnx.metrics.outputs.pair import LogitPair

OUTPUTS = arrays(np.float32, (4, 3), elements=st.floats(-1e4, 1e4, width=32))


def pair_of(baseline: NDArray[np.float32], candidate: NDArray[np.float32]) -> LogitPair:
    return LogitPair(labels=None, baseline=baseline, candidate=candidate, class_names=("a", "b", "c"))


def test_jensen_shannon_agrees_with_scipy(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(labeled=False)
    p, q = (softmax(outputs.astype(np.float64), axis=1) for outputs in (pair.baseline, pair.candidate))
    reference = jensenshannon(p, q, axis=1) ** 2  # SciPy gives the distance, the root of the divergence
    measure = jensen_shannon(pair)
    assert measure.value == pytest.approx(reference.mean(), rel=1e-9)
    assert measure.interval.low < measure.value < measure.interval.high
    assert (measure.unit, measure.n) == ("nats", pair.n)


def test_kullback_leibler_agrees_with_scipy(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(labeled=False)
    p, q = (softmax(outputs.astype(np.float64), axis=1) for outputs in (pair.baseline, pair.candidate))
    assert kullback_leibler(pair).value == pytest.approx(entropy(p, q, axis=1).mean(), rel=1e-9)


@given(OUTPUTS, OUTPUTS)
def test_divergences_are_finite_bounded_and_jensen_shannon_symmetric(
    baseline: NDArray[np.float32], candidate: NDArray[np.float32]
) -> None:
    there, back = jensen_shannon(pair_of(baseline, candidate)), jensen_shannon(pair_of(candidate, baseline))
    assert there.value == pytest.approx(back.value, abs=1e-12)
    assert 0 <= there.value <= math.log(2)
    assert 0 <= kullback_leibler(pair_of(baseline, candidate)).value < math.inf


@given(OUTPUTS, st.floats(-50, 50))
def test_a_shift_of_all_logits_is_no_divergence(outputs: NDArray[np.float32], shift: float) -> None:
    exact = outputs.astype(np.float64)
    assert jensen_shannon(pair_of(exact, exact + shift)).value == pytest.approx(0, abs=1e-9)


def test_certain_and_opposite_models_are_ln_2_apart() -> None:
    one, other = np.eye(3, dtype=np.float32)[[0]], np.eye(3, dtype=np.float32)[[1]]
    assert jensen_shannon(pair_of(one, other)).value == pytest.approx(math.log(2), abs=1e-5)


def test_more_rows_than_one_block_are_all_counted(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=2500, c=500, labeled=False)
    p, q = (softmax(outputs.astype(np.float64), axis=1) for outputs in (pair.baseline, pair.candidate))
    assert jensen_shannon(pair).value == pytest.approx((jensenshannon(p, q, axis=1) ** 2).mean(), rel=1e-9)


def test_it_is_the_plug_in_that_the_package_names() -> None:
    if "jensen_shannon" not in metrics().names():
        pytest.skip("the package is not installed with its entry points")
    assert metrics()["jensen_shannon"] is jensen_shannon


@pytest.mark.parametrize("labeled", [True, False])
def test_the_record_holds_what_the_single_metrics_say(make_pair: Callable[..., LogitPair], *, labeled: bool) -> None:
    pair = make_pair(labeled=labeled)
    found = output_divergence(pair)
    assert found.jensen_shannon == jensen_shannon(pair)
    assert found.kullback_leibler == kullback_leibler(pair)
    assert found.logit_mean_absolute_error.value == pytest.approx(np.abs(pair.candidate - pair.baseline).mean())


def two_classes(baseline: list[list[float]], candidate: list[list[float]]) -> LogitPair:
    outputs = [np.array(rows, dtype=np.float32) for rows in (baseline, candidate)]
    return LogitPair(labels=None, baseline=outputs[0], candidate=outputs[1], class_names=("a", "b"))


def test_errors_agree_with_whole_array_formulas(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=2500, c=500, labeled=False)  # several blocks
    before, after = pair.baseline.astype(np.float64), pair.candidate.astype(np.float64)
    error = logit_error(pair)
    assert error.mean_absolute.value == pytest.approx(np.abs(after - before).mean())
    assert error.rms.value == pytest.approx(np.sqrt(((after - before) ** 2).mean()))
    assert error.largest.value == pytest.approx(np.abs(after - before).max())
    ratio = 10 * np.log10((before**2).sum() / ((after - before) ** 2).sum())
    assert error.signal_to_noise.value == pytest.approx(ratio)
    for measure in (error.mean_absolute, error.rms):
        assert measure.interval.low < measure.value < measure.interval.high


def test_ten_times_less_noise_is_20_decibels_more(make_pair: Callable[..., LogitPair]) -> None:
    loud, quiet = (logit_error(make_pair(noise=noise)).signal_to_noise.value for noise in (0.5, 0.05))
    assert quiet - loud == pytest.approx(20, abs=1e-3)


def test_equal_models_have_no_error_and_no_ratio() -> None:
    error = logit_error(two_classes([[3, 1]], [[3, 1]]))
    assert (error.mean_absolute.value, error.rms.value, error.largest.value) == (0, 0, 0)
    assert "no bound" in error.signal_to_noise.undefined_reason


def test_a_silent_baseline_has_no_ratio() -> None:
    error = logit_error(two_classes([[0, 0]], [[3, 1]]))
    assert error.signal_to_noise.undefined_reason == "the baseline's logits are all 0"
    assert error.rms.value == pytest.approx(math.sqrt(5))


def test_probabilities_are_no_logits(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(labeled=False)
    closed = LogitPair(
        labels=None, baseline=softmax(pair.baseline, axis=1), candidate=pair.candidate, class_names=pair.class_names
    )
    error = logit_error(closed)
    for measure in (error.mean_absolute, error.rms, error.largest, error.signal_to_noise):
        assert measure.undefined_reason == "a model returns probabilities, not logits"
