from collections.abc import Callable

import pytest

from compress_onnx.metrics.outputs.confidence import calibration_errors
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.outputs.reliability import equal_mass_bins, expected_calibration_error, weighted_gap


def test_values_are_those_of_the_single_errors(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    width, mass = calibration_errors(pair)
    for i, scores in enumerate((pair.baseline_scores, pair.candidate_scores)):
        right = scores.predicted == pair.labels
        assert width[i].value == pytest.approx(expected_calibration_error(scores.confidence, right))
        gap = weighted_gap(equal_mass_bins(scores.confidence), right - scores.confidence)
        assert mass[i].value == pytest.approx(gap)
    for before, after, change in (width, mass):
        assert change.value == pytest.approx(after.value - before.value)


def test_a_model_against_itself_did_not_change(make_pair: Callable[..., LogitPair]) -> None:
    assert [change.value for _, _, change in calibration_errors(make_pair(noise=0.0))] == [0, 0]


def test_no_interval_is_claimed_that_would_not_hold(make_pair: Callable[..., LogitPair]) -> None:
    assert all(measure.interval is None for three in calibration_errors(make_pair()) for measure in three)


def test_an_overconfident_candidate_is_found(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=3000)
    louder = LogitPair(
        labels=pair.labels, baseline=pair.baseline, candidate=3 * pair.baseline, class_names=pair.class_names
    )
    assert all(change.value > 0.01 for _, _, change in calibration_errors(louder))
