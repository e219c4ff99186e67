from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compress_onnx.errors import DataError
from compress_onnx.metrics.statistics.paired import PairedCounts
from compress_onnx.steps.search import HIGHEST, RESOLUTION, confirmed_sparsity, highest_sparsity, loss_bound

Rows = NDArray[np.int64]


@given(edge=st.integers(0, 198))
def test_bisection_finds_what_trying_every_sparsity_finds(edge: int) -> None:
    bearable = edge * RESOLUTION

    def loss(sparsity: float) -> float:
        return 0.0 if sparsity <= bearable + 1e-9 else 0.5

    tried = highest_sparsity(loss, 0.01)
    exhaustive = max(s * RESOLUTION for s in range(round(HIGHEST / RESOLUTION) + 1) if loss(s * RESOLUTION) <= 0.01)
    assert max(s for s, found in tried.items() if found <= 0.01) == pytest.approx(exhaustive)


def test_bisection_asks_a_handful_of_times() -> None:
    assert len(highest_sparsity(lambda s: s, 0.3)) <= 10


def counts(lost: int, n: int) -> PairedCounts:
    return PairedCounts(both=n - lost, only_baseline=lost, only_candidate=0, neither=0)


def losing(edge: Callable[[set[int]], float]) -> Callable[[float, Rows], PairedCounts]:
    """Return a network that loses all its predictions beyond the edge for the rows, and none up to it."""

    def at(sparsity: float, rows: Rows) -> PairedCounts:
        return counts(len(rows) if sparsity > edge(set(rows.tolist())) else 0, len(rows))

    return at


def test_what_the_other_half_does_not_confirm_is_given_up() -> None:
    for seed in range(4):
        at = losing(lambda rows: 0.8 if 0 in rows else 0.6)
        found = confirmed_sparsity(at, 2000, max_drop=0.01, rng=np.random.default_rng(seed))
        assert 0 < found.sparsity <= 0.6
        assert (found.loss_searched, found.loss_confirmed) == (0.0, 0.0)
        assert max(found.bound_searched, found.bound_confirmed) <= 0.01
        assert found.n_searched + found.n_confirmed == 2000


def test_a_loss_that_the_images_do_not_rule_out_is_too_much() -> None:
    # 4 of 1,000 lost is within 1 % as seen, and at most 0.9 % with confidence; 8 of 1,000 may be 1.4 %.
    assert confirmed_sparsity(
        lambda s, rows: counts(4 if s <= 0.5 else 8, len(rows)), 2000, max_drop=0.01, rng=np.random.default_rng(0)
    ).sparsity == pytest.approx(0.5)


@pytest.mark.parametrize("loss", [0.002, 0.01, 0.05])
def test_a_loss_beyond_its_bound_is_seen_in_one_of_twenty_samples_at_most(loss: float) -> None:
    rng, n = np.random.default_rng(1), 1000
    bounds = [loss_bound(counts(int(lost), n)) for lost in rng.binomial(n, loss, 4000)]
    assert np.mean(np.array(bounds) < loss) <= 0.06


def test_a_network_that_bears_nothing_keeps_all_its_weights() -> None:
    found = confirmed_sparsity(losing(lambda _: 0.0), 8, max_drop=0.01, rng=np.random.default_rng(0))
    assert (found.sparsity, found.loss_confirmed) == (0.0, 0.0)


def test_one_image_is_not_enough() -> None:
    with pytest.raises(DataError, match="at least two images"):
        confirmed_sparsity(losing(lambda _: 0.0), 1, max_drop=0.01, rng=np.random.default_rng(0))
