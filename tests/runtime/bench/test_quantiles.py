from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.runtime.bench.quantiles import (
    fewest_samples,
    order_statistic_ranks,
    quantile_measure,
    tail_measure,
    throughput,
)


def binomial_cdf(k: int, n: int, p: float) -> float:
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def naive_ranks(n: int, quantile: float, level: float) -> tuple[int, int] | None:
    tail = (1 - level) / 2
    lower = [rank for rank in range(1, n + 1) if binomial_cdf(rank - 1, n, quantile) <= tail]
    upper = [rank for rank in range(1, n + 1) if 1 - binomial_cdf(rank - 1, n, quantile) <= tail]
    return (max(lower), min(upper)) if lower and upper else None


@pytest.mark.parametrize("n", [1, 5, 6, 20, 50, 101])
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_ranks_equal_a_naive_binomial_sum(n: int, quantile: float, level: float) -> None:
    assert order_statistic_ranks(n, quantile, level) == naive_ranks(n, quantile, level)


def test_interval_covers_the_true_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    low, high = order_statistic_ranks(50, 0.5, 0.95) or (0, 0)
    ordered = np.sort(rng.exponential(size=(20_000, 50)), axis=1)
    covered = np.mean((ordered[:, low - 1] <= math.log(2)) & (math.log(2) <= ordered[:, high - 1]))
    assert 0.95 <= covered <= 0.98


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=300), st.sampled_from([0.5, 0.9]))
def test_quantile_is_a_sample_inside_its_interval(values: list[float], quantile: float) -> None:
    measure = quantile_measure(np.array(values), quantile)
    assert measure.value == sorted(values)[math.ceil(round(quantile * len(values), 9)) - 1]
    assert measure.n == len(values)
    if measure.interval is not None:
        assert measure.interval.low <= measure.value <= measure.interval.high


def test_too_few_samples_have_a_value_and_no_interval() -> None:
    measure = quantile_measure(np.array([3.0, 1.0, 2.0]), 0.5)
    assert (measure.value, measure.interval) == (2.0, None)


def test_no_samples_have_a_reason() -> None:
    assert quantile_measure(np.empty(0), 0.5).undefined_reason == "no timed calls"


def test_p99_appears_from_662_samples() -> None:
    assert tail_measure(np.arange(661.0), 0.99).value is None
    assert tail_measure(np.arange(661.0), 0.99).undefined_reason == "p99 needs at least 662 timed calls, there are 661"
    assert tail_measure(np.arange(662.0), 0.99).value == math.ceil(0.99 * 662) - 1


@pytest.mark.parametrize("quantile", [0.9, 0.95, 0.99])
def test_fewest_samples_is_the_first_that_suffices(quantile: float) -> None:
    n = fewest_samples(quantile)
    assert binomial_cdf(1, n, 1 - quantile) <= 0.01 < binomial_cdf(1, n - 1, 1 - quantile)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60), st.integers(1, 64))
def test_throughput_is_the_batch_over_the_typical_latency(values: list[float], batch: int) -> None:
    latency = quantile_measure(np.array(values), 0.5)
    found = throughput(latency, batch)
    assert found.value == pytest.approx(1000 * batch / latency.value)
    if latency.interval is not None and found.interval is not None:
        slack = 1e-9 * found.value
        assert found.interval.low - slack <= found.value <= found.interval.high + slack
        assert found.interval.low == pytest.approx(1000 * batch / latency.interval.high)


def test_throughput_of_nothing_has_a_reason() -> None:
    assert throughput(quantile_measure(np.empty(0), 0.5), 1).undefined_reason == "no timed calls"
    assert throughput(quantile_measure(np.zeros(9), 0.5), 1).value is None
