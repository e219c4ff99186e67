"""Per-channel scales and rounding, against naive searches channel by channel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from compress_onnx.compress.layers.scales import FRACTIONS, least_error_scales, levels, max_scales, rounded
from compress_onnx.compress.quantization.rounding import compensated

Rows = NDArray[np.float64]
ROWS = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.integers(-64, 64).map(float))
BITS = st.sampled_from([4, 7, 8])


def moments(width: int, seed: int = 0) -> Rows:
    """Return E[x x'] (width, width) of correlated inputs with a mean, as behind a ReLU."""
    rng = np.random.default_rng(seed)
    inputs = np.maximum(rng.normal(size=(200, width)) @ rng.normal(size=(width, width)) + 0.5, 0)
    return np.asarray(inputs.T @ inputs / len(inputs))


def loss(errors: Rows, seen: Rows) -> float:
    return float(sum(errors @ (seen @ errors) for errors in errors))


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


@pytest.mark.parametrize("width", [5, 150, 300])
def test_compensation_lessens_the_error_of_the_outputs(width: int) -> None:
    rows = np.random.default_rng(1).normal(size=(6, width))
    seen, scales = moments(width), max_scales(rows, 4)
    found = compensated(rows, scales, seen, 4)
    assert loss(found - rows, seen) < 0.8 * loss(rounded(rows, scales, 4) - rows, seen)
    integers = found / scales[:, None].astype(np.float64)
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-9)
    assert np.abs(integers).max() <= 8


def obvious(row: Rows, scale: float, seen: Rows) -> Rows:
    """Round the inputs' largest first; move the rest to the least squares optimum given what is fixed."""
    damped = seen + 0.01 * np.trace(seen) / len(seen) * np.eye(len(seen))
    order = list(np.argsort(-np.diag(seen), kind="stable"))
    fixed = np.zeros(len(row))
    for place, column in enumerate(order):
        done, free = order[:place], order[place:]
        error = (fixed - row)[done]
        # The free columns' best values: the gradient of the output's error is zero there.
        best = row[free] - np.linalg.solve(damped[np.ix_(free, free)], damped[np.ix_(free, done)] @ error)
        fixed[column] = np.clip(np.rint(best[0] / scale), -8, 7) * scale
    return fixed


@pytest.mark.parametrize("width", [1, 12, pytest.param(140, marks=pytest.mark.slow)])
def test_compensation_is_stepwise_least_squares(width: int) -> None:
    rows = np.random.default_rng(2).normal(size=(2, width))
    seen, scales = moments(width, seed=4), max_scales(rows, 4)
    expected = [obvious(row, float(scale), seen) for row, scale in zip(rows, scales, strict=True)]
    np.testing.assert_allclose(compensated(rows, scales, seen, 4), expected, atol=1e-6)


def test_independent_inputs_leave_nothing_to_compensate() -> None:
    rows = np.random.default_rng(2).normal(size=(3, 9))
    scales = max_scales(rows, 4)
    for seen in (np.diag(np.arange(1.0, 10.0)), np.zeros((9, 9))):
        np.testing.assert_allclose(compensated(rows, scales, seen, 4), rounded(rows, scales, 4))


def test_compensation_keeps_zeros_and_its_arguments() -> None:
    rows = np.random.default_rng(2).normal(size=(3, 140))
    rows[rows < 0.3] = 0
    before, seen = rows.copy(), moments(140)
    kept = seen.copy()
    found = compensated(rows, max_scales(rows, 4), seen, 4)
    assert not found[rows == 0].any()
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(seen, kept)
