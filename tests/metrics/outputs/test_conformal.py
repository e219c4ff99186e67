import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from compress_onnx.metrics.outputs.conformal import conformal_sets, log_threshold
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.outputs.uncertainty import halves, uncertainty_shift


@given(st.lists(st.floats(-20, 0), min_size=1, max_size=300), st.sampled_from([0.5, 0.8, 0.9]))
def test_the_threshold_is_numpys_higher_quantile_of_the_scores(values: list[float], level: float) -> None:
    log_p, m = np.array(values), len(values)
    wanted = math.ceil((m + 1) * level - 1e-9) / m
    found = log_threshold(log_p, level)
    if wanted > 1:
        assert found is None
    else:
        assert found == -np.sort(-log_p)[round(wanted * m) - 1]


def test_sets_agree_with_a_loop_over_the_samples(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=400, c=12)
    calibration, evaluation = halves(400, np.random.default_rng(0))
    found = conformal_sets(pair, calibration, evaluation)
    baseline, candidate = (softmax(o.astype(np.float64), axis=1) for o in (pair.baseline, pair.candidate))
    scores = np.sort([1 - baseline[i, pair.labels[i]] for i in calibration])
    quantile = scores[math.ceil(201 * 0.9) - 1]
    assert found.threshold == pytest.approx(1 - quantile)
    for p, coverage, size in (
        (baseline, found.coverage_baseline, found.size_baseline),
        (candidate, found.coverage_candidate, found.size_candidate),
    ):
        sets = [set(np.flatnonzero(1 - p[i] <= quantile + 1e-12)) for i in evaluation]
        assert coverage.value == np.mean([pair.labels[i] in s for i, s in zip(evaluation, sets, strict=True)])
        assert size.value == pytest.approx(np.mean([len(s) for s in sets]))
        assert coverage.interval.low < coverage.value < coverage.interval.high
    assert found.coverage_change.value == pytest.approx(found.coverage_candidate.value - found.coverage_baseline.value)
    assert found.size_change.value == pytest.approx(found.size_candidate.value - found.size_baseline.value)


def test_the_worst_class_is_the_least_covered_one(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=3000, c=6, noise=0.1)
    hurt = pair.candidate.copy()
    hurt[pair.labels == 2, 2] -= 2
    harmed = LogitPair(labels=pair.labels, baseline=pair.baseline, candidate=hurt, class_names=pair.class_names)
    sets = uncertainty_shift(harmed).sets
    assert sets.worst_class == "class 2"
    assert sets.worst_coverage_candidate.interval.high < sets.coverage_candidate.value
    assert sets.worst_coverage_baseline.value > 0.8
    assert sets.worst_coverage_baseline.n == sets.worst_size_candidate.n < pair.n / 6


def test_too_few_samples_promise_nothing(make_pair: Callable[..., LogitPair]) -> None:
    sets = uncertainty_shift(make_pair(n=17)).sets
    assert (sets.threshold, sets.worst_class) == (None, None)
    assert sets.coverage_candidate.undefined_reason.startswith("fewer than 9 samples calibrate")
    assert uncertainty_shift(make_pair(n=18)).sets.coverage_candidate.value is not None


def test_small_classes_have_no_worst_one(make_pair: Callable[..., LogitPair]) -> None:
    sets = uncertainty_shift(make_pair(n=40, c=9)).sets
    assert sets.worst_class is None
    assert sets.worst_coverage_candidate.undefined_reason == "no class has 10 samples in the evaluation half"


@pytest.mark.slow
def test_the_baselines_sets_cover_what_they_promise(make_pair: Callable[..., LogitPair]) -> None:
    found = [uncertainty_shift(make_pair(n=300, seed=seed)).sets.coverage_baseline.value for seed in range(300)]
    # Split conformal prediction promises 0.9 to 0.9 + 1 / (150 + 1) on average.
    assert 0.9 - 3 * np.std(found) / 300**0.5 < np.mean(found) < 0.907 + 3 * np.std(found) / 300**0.5
