import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from compress_onnx.metrics.statistics.intervals import (
    difference_bounds,
    mean_interval,
    paired_difference,
    proportion_bounds,
    proportion_interval,
)
from compress_onnx.metrics.statistics.paired import PairedCounts, paired_counts

CELLS = st.integers(0, 3000)
TABLES = st.builds(PairedCounts, CELLS, CELLS, CELLS, CELLS).filter(lambda table: table.n > 0)
NOMINAL, LEAST = 0.95, 0.93
RNG = np.random.default_rng(11)


@given(st.integers(1, 20_000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_exact_interval_agrees_with_scipy(n: int, share: float, level: float) -> None:
    successes = round(share * n)
    reference = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    ours = proportion_interval(successes, n, level)
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=1e-9)
    assert 0 <= ours.low <= successes / n <= ours.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_a_proportion_that_does_not_exist_has_no_interval(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"no proportion: {successes} of {n}"):
        proportion_interval(successes, n)


@given(TABLES)
def test_square_and_add_agrees_with_scipys_wilson_bounds_joined_by_hand(table: PairedCounts) -> None:
    n, change = table.n, (table.only_candidate - table.only_baseline) / table.n
    p, q = table.only_baseline / n, table.only_candidate / n
    lost, won = (
        stats.binomtest(k, n).proportion_ci(method="wilson") for k in (table.only_baseline, table.only_candidate)
    )
    rho = -math.sqrt(p * q / ((1 - p) * (1 - q))) if p * q else 0.0
    down, up = (q - won.low, lost.high - p), (won.high - q, p - lost.low)
    below, above = (math.sqrt(max(0, x * x + y * y - 2 * rho * x * y)) for x, y in (down, up))
    interval = paired_difference(table)
    expected = max(-1, change - below), min(1, change + above)
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-9)


@given(TABLES)
def test_swapping_the_models_mirrors_the_interval(table: PairedCounts) -> None:
    swapped = PairedCounts(table.both, table.only_candidate, table.only_baseline, table.neither)
    there, back = paired_difference(table), paired_difference(swapped)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)


@given(TABLES)
def test_the_estimate_lies_within_and_the_bounds_within_one(table: PairedCounts) -> None:
    interval = paired_difference(table)
    assert -1 <= interval.low <= table.change <= interval.high <= 1


@given(TABLES)
def test_only_the_discordant_samples_and_their_number_matter(table: PairedCounts) -> None:
    moved = PairedCounts(0, table.only_baseline, table.only_candidate, table.both + table.neither)
    assert paired_difference(moved) == paired_difference(table)


def test_a_higher_level_gives_a_wider_interval() -> None:
    table = PairedCounts(both=900, only_baseline=12, only_candidate=5, neither=83)
    narrow, wide = paired_difference(table, 0.8), paired_difference(table, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_bounds_of_arrays_are_those_of_their_elements() -> None:
    lost, won = np.array([0, 3, 40]), np.array([2, 0, 40])
    low, high = difference_bounds(lost, won, 100)
    each = [
        paired_difference(PairedCounts(100 - b - c, b, c, 0)) for b, c in zip(lost.tolist(), won.tolist(), strict=True)
    ]
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [(i.low, i.high) for i in each]
    low, high = proportion_bounds(lost, 100)
    each = [proportion_interval(b, 100) for b in lost.tolist()]
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == [(i.low, i.high) for i in each]


# 0.18 is where Wilson's interval covers 84 %, 3 where the mid-p bounds cover 91.7 %.
@pytest.mark.parametrize("expected", [0.05, 0.18, 0.5, 1.0, 3.05, 10.0, 40.0])
@pytest.mark.parametrize("n", [200, 2000])
def test_a_proportion_is_covered_exactly_computed(coverage_of: ModuleType, n: int, expected: float) -> None:
    assert coverage_of.proportion_coverage(n, expected / n) >= NOMINAL
    assert coverage_of.proportion_coverage(n, 1 - expected / n) >= NOMINAL


# The dips of Tango's score interval (4), of Newcombe's and of Agresti and Min's (2), and some between.
@pytest.mark.parametrize("expected", [0.2, 1.0, 2.0, 4.04, 6.0, 10.0, 20.0])
@pytest.mark.parametrize("negative", [1.0, 0.9, 0.6, 0.5])
@pytest.mark.parametrize("n", [200, 2000])
def test_a_paired_change_is_covered_exactly_computed(
    coverage_of: ModuleType, n: int, negative: float, expected: float
) -> None:
    missed_low, missed_high = coverage_of.paired_coverage(n, expected / n * negative, expected / n * (1 - negative))
    assert 1 - missed_low - missed_high > 0.945
    # A gate looks at one side only.
    assert max(missed_low, missed_high) < 0.03


@pytest.mark.slow
def test_the_whole_grid_keeps_the_bar_simulated(coverage_of: ModuleType) -> None:
    rng = np.random.default_rng(20_26)
    pairs = list(coverage_of.pairs_on(coverage_of.GRID))
    for covered in coverage_of.simulated_coverage(pairs, rng, repetitions=10_000).values():
        assert 0.94 <= covered.mean() <= 0.975
        assert covered.min() >= LEAST


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_paired_counts_agree_with_a_loop(samples: list[tuple[bool, bool]]) -> None:
    baseline = np.array([b for b, _ in samples], dtype=bool)
    candidate = np.array([c for _, c in samples], dtype=bool)
    expected = [samples.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))]
    counts = paired_counts(baseline, candidate)
    assert [counts.both, counts.only_baseline, counts.only_candidate, counts.neither] == expected
    assert counts.n == len(samples)


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
