"""Rounding that compensates is stepwise least squares, and keeps zeros."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.compress.layers.scales import max_scales, rounded
from compress_onnx.compress.quantization.rounding import compensated

Rows = NDArray[np.float64]


def moments(width: int, seed: int = 0) -> Rows:
    """Return E[x x'] (width, width) of correlated inputs with a mean, as behind a ReLU."""
    rng = np.random.default_rng(seed)
    inputs = np.maximum(rng.normal(size=(200, width)) @ rng.normal(size=(width, width)) + 0.5, 0)
    return np.asarray(inputs.T @ inputs / len(inputs))


def loss(errors: Rows, seen: Rows) -> float:
    return float(sum(errors @ (seen @ errors) for errors in errors))


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
