import functools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from compress_onnx.metrics.intervals import paired_difference, paired_score_difference, wilson
from compress_onnx.metrics.paired import PairedCounts, paired_counts
from compress_onnx.records import Interval

CELLS = st.integers(0, 3000)
TABLES = st.builds(PairedCounts, CELLS, CELLS, CELLS, CELLS).filter(lambda table: table.n > 0)
METHODS = pytest.mark.parametrize("method", [paired_difference, paired_score_difference])


@given(st.integers(1, 20_000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(n: int, share: float, level: float) -> None:
    successes = round(share * n)
    reference = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    ours = wilson(successes, n, level)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
    assert 0 <= ours.low <= successes / n <= ours.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_a_proportion_that_does_not_exist_has_no_interval(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"no proportion: {successes} of {n}"):
        wilson(successes, n)


@pytest.mark.parametrize("p", [0.03, 0.1, 0.5, 0.9, 0.97])
def test_wilson_covers_its_level_exactly_computed(p: float) -> None:
    n = 1000
    k = np.arange(n + 1)
    intervals = [wilson(int(i), n) for i in k]
    covered = np.array([interval.low <= p <= interval.high for interval in intervals])
    assert 0.94 < stats.binom.pmf(k, n, p)[covered].sum() < 0.965


# Newcombe 1998, Statistics in Medicine 17, 2635-2650, results of method 10, and Altman et al.,
# Statistics with Confidence (2000), table 6.2: both right, only first, only second, both wrong.
PUBLISHED = [
    ((36, 12, 2, 0), (0.0569, 0.3404)),
    ((18, 12, 2, 18), (0.0562, 0.3290)),
    ((53, 0, 0, 1), (-0.0729, 0.0729)),
    ((0, 30, 0, 0), (0.8395, 1.0)),
    ((14, 5, 0, 22), (0.011, 0.226)),
]


@pytest.mark.parametrize(("cells", "bounds"), PUBLISHED)
def test_newcombe_gives_the_published_bounds(cells: tuple[int, int, int, int], bounds: tuple[float, float]) -> None:
    both, first, second, neither = cells
    interval = paired_difference(PairedCounts(both, second, first, neither))
    assert (interval.low, interval.high) == pytest.approx(bounds, abs=5e-4 if bounds[1] == 0.226 else 6e-5)


def test_newcombe_does_not_trust_a_weak_positive_correlation() -> None:
    # 1 x 12 - 1 x 7 = 5 is below n / 2, so phi is 0 and the bounds are those of independent proportions.
    interval = paired_difference(PairedCounts(both=1, only_baseline=1, only_candidate=7, neither=12))
    before, after = (stats.binomtest(k, 21).proportion_ci(method="wilson") for k in (2, 8))
    assert interval.low == pytest.approx(6 / 21 - np.hypot(8 / 21 - after.low, before.high - 2 / 21))
    assert interval.high == pytest.approx(6 / 21 + np.hypot(after.high - 8 / 21, 2 / 21 - before.low))


@given(TABLES)
def test_the_score_bounds_lie_where_the_score_test_rejects(table: PairedCounts) -> None:
    interval = paired_score_difference(table)
    for bound in (interval.low, interval.high):
        if -1 < bound < 1:
            assert _score_statistic(table, bound) == pytest.approx(stats.norm.ppf(0.975), rel=1e-4)


def _score_statistic(table: PairedCounts, difference: float) -> float:
    """Return Tango's statistic with the nuisance found by brute force instead of the closed root."""
    n, b, c = table.n, table.only_baseline, table.only_candidate
    low, high = max(0.0, -difference), (1 - difference) / 2
    for _ in range(12):
        q = np.linspace(low, high, 401)
        with np.errstate(divide="ignore"):
            likelihood = _xlogy(b, q) + _xlogy(c, q + difference) + _xlogy(n - b - c, 1 - 2 * q - difference)
        best, step = q[np.argmax(likelihood)], q[1] - q[0]
        low, high = max(low, best - step), min(high, best + step)
    return abs(c - b - n * difference) / np.sqrt(n * (2 * best + difference - difference**2))


def _xlogy(count: int, probability: NDArray[np.float64]) -> NDArray[np.float64]:
    return count * np.log(np.maximum(probability, 0)) if count else np.zeros_like(probability)


@METHODS
@given(table=TABLES)
def test_swapping_the_models_mirrors_the_interval(method: Callable[..., Interval], table: PairedCounts) -> None:
    swapped = PairedCounts(table.both, table.only_candidate, table.only_baseline, table.neither)
    there, back = method(table), method(swapped)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


@METHODS
@given(table=TABLES)
def test_the_estimate_lies_within_and_the_bounds_within_one(
    method: Callable[..., Interval], table: PairedCounts
) -> None:
    interval = method(table)
    assert -1 <= interval.low <= table.change <= interval.high <= 1


@METHODS
def test_a_higher_level_gives_a_wider_interval(method: Callable[..., Interval]) -> None:
    table = PairedCounts(both=900, only_baseline=12, only_candidate=5, neither=83)
    narrow, wide = method(table, 0.8), method(table, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("n", "negative", "positive"), [(200, 0.05, 0.05), (1000, 0.02, 0.01), (2000, 0.004, 0.001), (10_000, 0.05, 0.04)]
)
@METHODS
def test_paired_intervals_cover_the_true_change(
    method: Callable[..., Interval], n: int, negative: float, positive: float
) -> None:
    cells = (0.85, negative, positive, 0.15 - negative - positive)
    draws = np.random.default_rng(7).multinomial(n, cells, size=2000)
    bounds = functools.cache(lambda *table: method(PairedCounts(*table)))
    change = positive - negative
    covered = [bounds(*map(int, table)).low <= change <= bounds(*map(int, table)).high for table in draws]
    assert 0.935 < np.mean(covered) < 0.985


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_paired_counts_agree_with_a_loop(samples: list[tuple[bool, bool]]) -> None:
    baseline = np.array([b for b, _ in samples], dtype=bool)
    candidate = np.array([c for _, c in samples], dtype=bool)
    expected = [samples.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))]
    counts = paired_counts(baseline, candidate)
    assert [counts.both, counts.only_baseline, counts.only_candidate, counts.neither] == expected
    assert counts.n == len(samples)
