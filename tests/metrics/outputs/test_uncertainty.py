from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.outputs.uncertainty import halves, uncertainty_shift


@given(st.integers(0, 500), st.integers(0, 99))
def test_every_sample_is_in_exactly_one_half(n: int, seed: int) -> None:
    first, second = halves(n, np.random.default_rng(seed))
    assert sorted([*first, *second]) == list(range(n))
    assert len(second) - len(first) in (0, 1)
    assert (np.diff(first) > 0).all()


def test_the_split_is_the_seeds(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    assert uncertainty_shift(pair) == uncertainty_shift(pair)
    assert uncertainty_shift(pair, seed=1) != uncertainty_shift(pair)
    found = uncertainty_shift(pair, seed=1)
    assert (found.seed, found.calibration_n, found.evaluation_n) == (1, 300, 300)


def test_a_model_against_itself_loses_nothing(make_pair: Callable[..., LogitPair]) -> None:
    found = uncertainty_shift(make_pair(noise=0.0))
    assert (found.sets.coverage_change.value, found.sets.size_change.value) == (0, 0)
    assert found.temperature.temperature_baseline == found.temperature.temperature_candidate


@pytest.mark.parametrize(
    ("made", "reason"),
    [({"labeled": False}, "the data has no labels"), ({"n": 1}, "one sample cannot both calibrate and judge")],
)
def test_what_cannot_be_known_says_why(make_pair: Callable[..., LogitPair], made: dict[str, int], reason: str) -> None:
    found = uncertainty_shift(make_pair(**made))
    for measure in (found.sets.coverage_candidate, found.sets.size_change, found.temperature.repaired_ece_candidate):
        assert (measure.value, measure.undefined_reason) == (None, reason)
