import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from compress_onnx.metrics.statistics.bootstrap import (
    bca_interval,
    bootstrap_mean,
    bootstrap_means,
    resampled_means,
    without_each,
)

RNG = np.random.default_rng(4)


def test_intervals_of_many_columns_agree_with_scipy_up_to_their_noise() -> None:
    columns = np.stack([RNG.exponential(size=150), RNG.normal(size=150), RNG.beta(8, 1, size=150)], axis=1)
    for column, ours in zip(
        columns.T, bootstrap_means(columns, np.random.default_rng(0), resamples=20_000), strict=True
    ):
        reference = stats.bootstrap(
            (column,), np.mean, n_resamples=9_999, method="BCa", rng=np.random.default_rng(1), batch=500
        ).confidence_interval
        error = column.std(ddof=1) / np.sqrt(len(column))
        assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=0.12 * error)


def test_a_ratio_of_paired_means_agrees_with_scipy_up_to_its_noise() -> None:
    below = RNG.gamma(4, size=120)
    pair = np.stack([below * RNG.uniform(0.3, 0.5, size=120), below], axis=1)
    resampled, left_out = resampled_means(pair, np.random.default_rng(2), 9_999), without_each(pair)
    observed = pair[:, 0].mean() / pair[:, 1].mean()
    ours = bca_interval(observed, resampled[:, 0] / resampled[:, 1], left_out[:, 0] / left_out[:, 1])
    reference = stats.bootstrap(
        tuple(pair.T),
        lambda x, y, axis: x.mean(axis=axis) / y.mean(axis=axis),
        paired=True,
        method="BCa",
        rng=np.random.default_rng(3),
        batch=500,
    ).confidence_interval
    width = reference.high - reference.low
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=0.06 * width)


def test_one_column_is_the_bootstrap_of_a_mean_up_to_noise() -> None:
    values = RNG.exponential(size=300)
    (many,) = bootstrap_means(values[:, None], np.random.default_rng(0), resamples=20_000)
    single = bootstrap_mean(values, np.random.default_rng(1), resamples=20_000)
    assert (many.low, many.high) == pytest.approx((single.low, single.high), abs=0.01)


def test_more_rows_than_fit_into_one_block_are_all_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = RNG.normal(size=(50, 2))
    whole = resampled_means(columns, np.random.default_rng(0), 40)
    monkeypatch.setattr("compress_onnx.metrics.statistics.bootstrap._BLOCK", 100)
    parts = resampled_means(columns, np.random.default_rng(0), 40)
    assert whole.shape == parts.shape == (40, 2)
    np.testing.assert_allclose(whole, parts)


def test_equal_values_have_an_interval_of_no_width_and_one_value_has_none() -> None:
    (interval,) = bootstrap_means(np.full((40, 1), 0.1), np.random.default_rng(0))
    assert interval.low == interval.high == 0.1
    assert bootstrap_means(np.ones((1, 2)), np.random.default_rng(0)) == [None, None]


@pytest.mark.parametrize("values", [np.array([]), np.array([0.3])])
def test_fewer_than_two_values_have_no_bootstrap(values: NDArray[np.float64]) -> None:
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
