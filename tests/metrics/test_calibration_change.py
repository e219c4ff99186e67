from collections.abc import Callable

import numpy as np
import pytest

from compress_onnx.metrics import calibration_change as module
from compress_onnx.metrics.calibration_change import calibration_errors
from compress_onnx.metrics.pair import LogitPair
from compress_onnx.metrics.reliability import equal_mass_bins, expected_calibration_error, weighted_gap


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
        assert change.interval.low <= change.value <= change.interval.high


def test_resamples_agree_with_a_loop_over_the_samples(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=40)
    gaps = [
        module._Gaps.of(s, pair.labels, module.equal_width_bins) for s in (pair.baseline_scores, pair.candidate_scores)
    ]
    drawn = module._resampled(gaps, np.random.default_rng(3))
    rows = np.random.default_rng(3).integers(40, size=(module.RESAMPLES, 40))
    for resample in (0, 1, module.RESAMPLES - 1):
        expected = [weighted_gap(g.bin_of[rows[resample]], g.gap[rows[resample]]) for g in gaps]
        assert drawn[resample] == pytest.approx(expected, abs=1e-6)


def test_a_model_against_itself_did_not_change(make_pair: Callable[..., LogitPair]) -> None:
    for _, _, change in calibration_errors(make_pair(noise=0.0)):
        assert (change.value, change.interval.low, change.interval.high) == (0, 0, 0)


def test_one_sample_shows_no_spread(make_pair: Callable[..., LogitPair]) -> None:
    assert calibration_errors(make_pair(n=1))[0][2].interval is None


def test_an_overconfident_candidate_is_found(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=3000)
    louder = LogitPair(
        labels=pair.labels, baseline=pair.baseline, candidate=3 * pair.baseline, class_names=pair.class_names
    )
    for _, _, change in calibration_errors(louder):
        assert 0 < change.interval.low < change.value < change.interval.high


@pytest.mark.slow
def test_the_interval_covers_the_true_change(make_pair: Callable[..., LogitPair]) -> None:
    def pair(n: int, seed: int) -> LogitPair:
        made = make_pair(n=n, seed=seed)
        return LogitPair(
            labels=made.labels, baseline=made.baseline, candidate=1.6 * made.baseline, class_names=made.class_names
        )

    many = pair(400_000, 999)
    before, after = (
        expected_calibration_error(scores.confidence, scores.predicted == many.labels)
        for scores in (many.baseline_scores, many.candidate_scores)
    )
    truth = after - before
    changes = [calibration_errors(pair(1500, seed))[0][2] for seed in range(80)]
    assert np.mean([c.interval.low <= truth <= c.interval.high for c in changes]) > 0.82


def test_what_resampling_adds_is_taken_off() -> None:
    # Resamples half a standard deviation too high: the interval lies as much too low.
    drawn = 0.5 + np.random.default_rng(0).normal(size=200_000)
    interval = module._interval(drawn, 0.0)
    assert (interval.low, interval.high) == pytest.approx((-0.5 - 1.96, -0.5 + 1.96), abs=0.05)
