"""Per-channel scales and rounding, against naive searches channel by channel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from compress_onnx.compress.layers.scales import FRACTIONS, least_error_scales, levels, max_scales, rounded

Rows = NDArray[np.float64]
ROWS = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.integers(-64, 64).map(float))
BITS = st.sampled_from([4, 7, 8])


def moments(width: int, seed: int = 0) -> Rows:
    """Return E[x x'] (width, width) of correlated inputs with a mean, as behind a ReLU."""
    rng = np.random.default_rng(seed)
    inputs = np.maximum(rng.normal(size=(200, width)) @ rng.normal(size=(width, width)) + 0.5, 0)
    return np.asarray(inputs.T @ inputs / len(inputs))


def naive_scale(row: Rows, bits: int, seen: Rows) -> float:
    low, high = levels(bits)
    best = (np.inf, 1.0)
    for fraction in FRACTIONS:
        scale = float(np.float32(np.float32(max(abs(row)) / high) * fraction))
        error = np.array([min(max(round(value / scale), low), high) * scale - value for value in row])
        best = min(best, (float(error @ seen @ error), scale))
    return best[1]


@pytest.mark.parametrize("bits", [4, 7, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_least_error_is_that_of_a_naive_search(bits: int, weighted: bool) -> None:  # noqa: FBT001  # two cases
    rows = np.random.default_rng(3).standard_t(3, size=(5, 18))
    seen = moments(18) if weighted else np.eye(18)
    found = least_error_scales(rows, bits, seen if weighted else None)
    np.testing.assert_allclose(found, [naive_scale(row, bits, seen) for row in rows], rtol=1e-6)


@given(ROWS, BITS)
def test_squared_error_never_exceeds_that_of_the_maximum(rows: Rows, bits: int) -> None:
    chosen = rounded(rows, least_error_scales(rows, bits), bits) - rows
    largest = rounded(rows, max_scales(rows, bits), bits) - rows
    assert ((chosen**2).sum(axis=1) <= (largest**2).sum(axis=1) + 1e-9).all()


@given(ROWS, BITS)
def test_rounding_gives_multiples_within_the_width_and_keeps_zeros(rows: Rows, bits: int) -> None:
    scales = least_error_scales(rows, bits)
    integers = rounded(rows, scales, bits) / scales[:, None].astype(np.float64)
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-9)
    assert integers.min() >= levels(bits)[0]
    assert integers.max() <= levels(bits)[1]
    assert not integers[rows == 0].any()


@given(ROWS, BITS, st.integers(-20, 20))
def test_scales_grow_with_the_weights(rows: Rows, bits: int, power: int) -> None:
    factor = np.float32(2.0**power)
    alive = rows.any(axis=1)
    for scales in (max_scales, least_error_scales):
        np.testing.assert_array_equal(scales(rows * factor, bits)[alive], scales(rows, bits)[alive] * factor)


def test_a_dead_channel_gets_the_others_scale() -> None:
    rows = np.array([[0.0, 0.0], [7.0, 0.0], [0.0, 21.0]])
    assert max_scales(rows, 4).tolist() == [2.0, 1.0, 3.0]
    assert max_scales(rows[:1], 4).tolist() == [1.0]
    assert (least_error_scales(rows, 4) > 0).all()
    assert not rounded(rows, least_error_scales(rows, 4), 4)[0].any()


def test_a_channel_too_small_for_float32_is_dead() -> None:
    assert max_scales(np.array([[1e-60, 0.0], [7.0, 0.0]]), 4).tolist() == [1.0, 1.0]
