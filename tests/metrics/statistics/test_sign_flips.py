"""The sign-flip test keeps its level under the null hypothesis and finds what was put in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import gaussian_filter

from compress_onnx.metrics.statistics.sign_flips import SignFlips
from compress_onnx.metrics.statistics.significance import benjamini_hochberg

SIDE = 12


def flips_of(rows: NDArray[np.float64], seed: int = 0, permutations: int = 199) -> SignFlips:
    flips = SignFlips(rows.shape[1], np.random.default_rng(seed), permutations=permutations)
    flips.add(rows)
    return flips


def symmetric_rows(rng: np.random.Generator, n: int = 60) -> NDArray[np.float64]:
    """Heavy-tailed differences that depend on their neighbors, as maps do; larger in the middle."""
    rows = gaussian_filter(rng.standard_t(3, size=(n, SIDE, SIDE)), (0, 1.5, 1.5))
    return (rows * (1 + np.hanning(SIDE))).reshape(n, -1)


@pytest.mark.slow
def test_under_the_null_hypothesis_the_test_rejects_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    tests = [flips_of(symmetric_rows(rng), seed).test() for seed in range(300)]
    p_values = np.array([test.p_value for test in tests])
    # Binomial(300, 0.05) lies in 5 to 27 with probability 0.999.
    assert 5 <= np.count_nonzero(p_values <= 0.05) <= 27
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    # Without any true shift, each discovery is false: the rate is that of runs with any.
    assert np.mean([test.significant.any() for test in tests]) <= 0.09


def test_an_injected_shift_is_found_and_little_else() -> None:
    rng = np.random.default_rng(2)
    shifted = np.zeros((SIDE, SIDE), dtype=bool)
    shifted[3:7, 3:7] = True
    found, false = [], []
    for seed in range(40):
        rows = symmetric_rows(rng, 150)
        rows[:, shifted.ravel()] += 0.5 * rows.std(axis=0)[shifted.ravel()]
        test = flips_of(rows, seed).test()
        assert test.p_value == pytest.approx(1 / 200)
        found.append(test.significant[shifted.ravel()].mean())
        false.append((test.significant & ~shifted.ravel()).sum() / max(1, test.significant.sum()))
    assert np.mean(found) > 0.95
    assert np.mean(false) < 0.07


def test_p_values_agree_with_all_sign_patterns_one_by_one() -> None:
    rows = np.random.default_rng(3).normal(0.4, 1, size=(10, 6))
    spread = np.sqrt((rows**2).sum(axis=0))
    patterns = np.array(list(itertools.product([-1, 1], repeat=10)))
    largest = (np.abs(patterns @ rows) / spread).max(axis=1)
    exact = np.mean(largest >= (np.abs(rows.sum(axis=0)) / spread).max() - 1e-9)
    assert flips_of(rows, permutations=9_999).test().p_value == pytest.approx(exact, abs=0.02)


def test_largest_standardized_sum_orders_cells_as_students_t_does() -> None:
    rows = np.random.default_rng(4).normal(0.2, 1, size=(50, 30)) * np.linspace(1, 9, 30)
    flips = flips_of(rows)
    ours = np.abs(flips.total) / np.sqrt(flips.squares)
    theirs = np.abs(stats.ttest_1samp(rows, 0).statistic)
    assert np.argsort(ours).tolist() == np.argsort(theirs).tolist()


def test_cell_p_values_are_near_those_of_student_where_samples_are_many() -> None:
    rows = np.random.default_rng(5).normal(0.1, 1, size=(400, 50))
    ours = flips_of(rows, permutations=999).test().cell_p
    np.testing.assert_allclose(ours, stats.ttest_1samp(rows, 0).pvalue, atol=0.02)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_batches_of_any_size_are_the_same_as_one(sizes: list[int]) -> None:
    rows = np.random.default_rng(6).normal(size=(sum(sizes), 4))
    flips = SignFlips(4, np.random.default_rng(0), permutations=19)
    for part in np.split(rows, np.cumsum(sizes)[:-1]):
        flips.add(part)
    assert flips.n == len(rows)
    np.testing.assert_allclose(flips.total, rows.sum(axis=0))
    np.testing.assert_allclose(flips.squares, (rows**2).sum(axis=0))


def test_nothing_moved_is_a_p_value_of_one() -> None:
    test = flips_of(np.zeros((20, 5))).test()
    assert (test.p_value, test.cell_p.tolist(), test.significant.any()) == (1.0, [1.0] * 5, False)


def test_a_cell_that_never_moves_neither_counts_nor_disturbs() -> None:
    rows = np.random.default_rng(7).normal(1, 1, size=(50, 5))
    rows[:, 2] = 0
    test = flips_of(rows).test()
    assert test.significant.tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("n", [0, 1, 9])
def test_few_samples_are_not_tested(n: int) -> None:
    assert flips_of(np.ones((n, 3))).test() is None


def test_the_seed_decides() -> None:
    rows = np.random.default_rng(8).normal(0.1, 1, size=(60, 20))
    first, again, other = (flips_of(rows, seed).test().cell_p.tolist() for seed in (1, 1, 2))
    assert first == again != other


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_benjamini_hochberg_agrees_with_scipy(p_values: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p_values), stats.false_discovery_control(p_values), rtol=1e-12)


def test_no_p_values_need_no_adjustment() -> None:
    assert benjamini_hochberg(np.zeros(0)).tolist() == []
