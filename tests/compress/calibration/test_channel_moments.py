"""Moments summed over batches are NumPy's over all images at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.compress.calibration.channel_moments import LARGEST_FACTOR, MomentSums, factors
from compress_onnx.errors import ModelError


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.floats(-5, 5))
def test_batches_of_any_size_add_up_to_the_whole(sizes: list[int], mean: float) -> None:
    rng = np.random.default_rng(1)
    batches = [rng.normal(mean, 2, (size, 3, 4)).astype(np.float64) for size in sizes]
    sums = MomentSums()
    for batch in batches:
        sums.add(batch.mean(axis=(0, 2)), batch.var(axis=(0, 2)), weight=len(batch))
    whole, found = np.concatenate(batches), sums.moments("tensor")
    np.testing.assert_allclose(found.mean, whole.mean(axis=(0, 2)), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.std, whole.std(axis=(0, 2)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_moments_that_are_no_numbers_name_their_tensor(bad: float) -> None:
    sums = MomentSums()
    sums.add(np.array([0, bad], np.float32), np.ones(2, np.float32), weight=1)
    with pytest.raises(ModelError, match="NaN or infinity in 'features'"):
        sums.moments("features")


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_factor_reaches_the_target_or_its_bound(target: float, found: float) -> None:
    (factor,) = factors(np.array([target]), np.array([found]))
    dead = found <= 1e-4 * target
    bounded = min(max(target / found, 1 / LARGEST_FACTOR), LARGEST_FACTOR)
    assert factor == pytest.approx(1.0 if dead else bounded)
