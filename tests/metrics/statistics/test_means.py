import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from compress_onnx.metrics.statistics.means import bootstrap_mean, mean_interval, paired_mean

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("values", [RNG.normal(size=2), RNG.normal(3, 2, size=50), RNG.exponential(size=400)])
def test_t_interval_agrees_with_scipy(values: NDArray[np.float64]) -> None:
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    ours = mean_interval(values)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), rel=1e-12)


def test_bounds_cut_what_a_mean_cannot_be() -> None:
    interval = mean_interval(np.array([0.0, 1.0, 1.0]), bounds=(0, 1))
    assert (interval.low, interval.high) == (0, 1)


@pytest.mark.parametrize("values", [np.array([]), np.array([0.3])])
def test_fewer_than_two_values_have_no_interval(values: NDArray[np.float64]) -> None:
    assert mean_interval(values) is None
    assert paired_mean(values) is None
    assert bootstrap_mean(values, np.random.default_rng(0)) is None


@pytest.mark.parametrize("values", [RNG.beta(8, 1, size=30), RNG.exponential(size=200), RNG.normal(size=60)])
def test_bootstrap_agrees_with_scipy_up_to_its_noise(values: NDArray[np.float64]) -> None:
    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1), batch=500
    ).confidence_interval
    ours = bootstrap_mean(values, np.random.default_rng(2), resamples=20_000)
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=0.08 * error)


def test_bootstrap_repeats_with_its_seed_and_stays_in_range() -> None:
    values = RNG.beta(0.5, 0.5, size=25)
    first, second = (bootstrap_mean(values, np.random.default_rng(5)) for _ in range(2))
    assert first == second
    assert values.min() <= first.low < values.mean() < first.high <= values.max()


def test_bootstrap_covers_the_mean_of_a_skewed_sample() -> None:
    rng = np.random.default_rng(3)
    intervals = [bootstrap_mean(rng.exponential(size=60), rng, resamples=600) for _ in range(400)]
    assert 0.89 < np.mean([interval.low <= 1 <= interval.high for interval in intervals]) < 0.98


def test_constant_values_have_an_interval_of_no_width() -> None:
    interval = bootstrap_mean(np.full(40, 0.1), np.random.default_rng(0))
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1), rel=1e-12)
