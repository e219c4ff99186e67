from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import DataError
from compress_onnx.study.search import HIGHEST, RESOLUTION, confirmed_sparsity, highest_sparsity


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


def test_what_the_other_half_does_not_confirm_is_given_up() -> None:
    def loss(sparsity: float, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        return max(0.0, sparsity - (0.8 if 0 in rows.tolist() else 0.6))

    for seed in range(4):
        found = confirmed_sparsity(loss, 10, max_drop=0.01, rng=np.random.default_rng(seed))
        assert found.sparsity <= 0.61
        assert found.loss_confirmed <= 0.01
        assert found.loss_searched <= 0.01
        assert found.n_searched + found.n_confirmed == 10


def test_a_network_that_bears_nothing_keeps_all_its_weights() -> None:
    found = confirmed_sparsity(lambda s, rows: 1.0, 8, max_drop=0.01, rng=np.random.default_rng(0))
    assert (found.sparsity, found.loss_confirmed) == (0.0, 0.0)


def test_one_image_is_not_enough() -> None:
    with pytest.raises(DataError, match="at least two images"):
        confirmed_sparsity(lambda s, rows: 0.0, 1, max_drop=0.01, rng=np.random.default_rng(0))
