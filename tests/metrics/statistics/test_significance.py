import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from compress_onnx.metrics.statistics.significance import (
    _critical,
    benjamini_hochberg,
    detectable_loss,
    holm,
    mid_p_mcnemar,
)

COUNTS = st.integers(0, 400)


# Fagerland, Lydersen & Laake 2013: airway hyper-responsiveness (Bentur et al. 2009) and complete
# response (Cavo et al. 2012), whose exact values are 0.070 and 0.053.
@pytest.mark.parametrize(("b", "c", "exact", "mid_p"), [(1, 7, 0.0703, 0.0391), (6, 16, 0.0525, 0.0347)])
def test_mid_p_gives_the_published_values(b: int, c: int, exact: float, mid_p: float) -> None:
    assert stats.binomtest(b, b + c).pvalue == pytest.approx(exact, abs=6e-5)
    assert mid_p_mcnemar(b, c) == pytest.approx(mid_p, abs=6e-5)


@given(COUNTS, COUNTS)
def test_mid_p_is_the_mass_of_worse_outcomes_plus_half_of_equal_ones(b: int, c: int) -> None:
    if b + c == 0:
        assert mid_p_mcnemar(b, c) == 1
        return
    gaps = np.abs(2 * np.arange(b + c + 1) - (b + c))
    masses = stats.binom.pmf(np.arange(b + c + 1), b + c, 0.5)
    expected = masses[gaps > abs(b - c)].sum() + masses[gaps == abs(b - c)].sum() / 2
    assert mid_p_mcnemar(b, c) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(COUNTS, COUNTS)
def test_mid_p_is_symmetric_and_below_the_exact_test(b: int, c: int) -> None:
    assert mid_p_mcnemar(b, c) == mid_p_mcnemar(c, b)
    assert 0 <= mid_p_mcnemar(b, c) <= 1
    if b + c:
        assert mid_p_mcnemar(b, c) < stats.binomtest(b, b + c).pvalue


def test_many_thousand_flips_do_not_overflow() -> None:
    assert mid_p_mcnemar(20_000, 20_000) == pytest.approx(1, abs=3e-3)
    assert 0 <= mid_p_mcnemar(0, 40_000) < 1e-300


@given(arrays(np.float64, st.integers(0, 12), elements=st.floats(0, 1)))
def test_holm_agrees_with_the_closed_testing_definition(p_values: NDArray[np.float64]) -> None:
    """Adjusted p of one hypothesis: the largest over j of (how many are left) times the j-th smallest up to it."""
    adjusted = holm(p_values)
    for i, p in enumerate(p_values):
        smaller = sorted(p_values)[: 1 + max(j for j, q in enumerate(sorted(p_values)) if q == p)]
        expected = max((len(p_values) - j) * q for j, q in enumerate(smaller))
        first = [(len(p_values) - j) * q for j, q in enumerate(sorted(p_values)) if q <= p]
        assert adjusted[i] == pytest.approx(min(1, expected)) == pytest.approx(min(1, max(first)))


def test_holm_of_a_worked_example() -> None:
    # Four tests: 4 x 0.005, 3 x 0.01, 2 x 0.03, then 0.04 may not fall below 0.06.
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(0, 1)))
def test_benjamini_hochberg_is_scipys_bit_for_bit(p_values: NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(benjamini_hochberg(p_values), stats.false_discovery_control(p_values))
    assert (benjamini_hochberg(p_values) <= holm(p_values) + 1e-15).all()


def test_no_test_needs_no_adjustment() -> None:
    assert benjamini_hochberg(np.array([])).tolist() == []


@pytest.mark.parametrize(
    ("n", "discordant", "alpha"), [(40, 0, 0.05), (300, 30, 0.05), (750, 15, 0.05 / 43), (2000, 100, 0.01)]
)
def test_the_test_finds_the_loss_with_80_percent_power(n: int, discordant: int, alpha: float) -> None:
    loss = detectable_loss(n, discordant, alpha=alpha)
    psi = max(discordant / n, loss)
    cells = np.array([(psi + loss) / 2, (psi - loss) / 2, 1 - psi])
    draws = np.random.default_rng(5).multinomial(n, cells, size=4000)
    power = np.mean([lost > won and mid_p_mcnemar(int(lost), int(won)) <= alpha for lost, won, _ in draws])
    assert 0.775 < power < 0.83


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_critical_numbers_are_the_least_significant_ones(alpha: float) -> None:
    m = np.arange(60)
    for discordant, critical in zip(m.tolist(), _critical(m, alpha).tolist(), strict=True):
        beyond = [lost for lost in range(discordant // 2 + 1, discordant + 1) if 2 * lost > discordant]
        significant = [lost for lost in beyond if mid_p_mcnemar(discordant - lost, lost) <= alpha]
        assert critical == (min(significant) if significant else discordant + 1)


def test_without_any_flip_a_loss_must_fill_the_critical_number_alone() -> None:
    # Five losses and no gain have mid-p 0.031, four 0.0625.
    loss = detectable_loss(50, 0)
    assert stats.binom.sf(4, 50, loss) == pytest.approx(0.8, abs=0.002)


def test_support_and_discordance_move_it_the_right_way() -> None:
    few, many, noisy = detectable_loss(100, 5), detectable_loss(1000, 50), detectable_loss(1000, 200)
    assert many < noisy < few
    assert (detectable_loss(1, 0), detectable_loss(1, 1)) == (None, None)
    assert 0 < detectable_loss(50_000, 10_000) < 0.006
