import numpy as np
import pytest
from scipy import stats

from compress_onnx.metrics.statistics.significance import _critical, detectable_loss, mid_p_mcnemar


@pytest.mark.parametrize(
    ("n", "discordant", "alpha"), [(40, 0, 0.05), (300, 30, 0.05), (750, 15, 0.05 / 43), (2000, 100, 0.01)]
)
def test_the_test_finds_the_loss_with_80_percent_power(n: int, discordant: int, alpha: float) -> None:
    loss = detectable_loss(n, discordant, alpha=alpha)
    psi = max(discordant / n, loss)
    cells = np.array([(psi + loss) / 2, (psi - loss) / 2, 1 - psi])
    draws = np.random.default_rng(5).multinomial(n, cells, size=4000)
    found = np.mean([lost > won and mid_p_mcnemar(int(lost), int(won)) <= alpha for lost, won, _ in draws])
    assert 0.775 < found < 0.83


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
