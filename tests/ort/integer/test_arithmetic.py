"""Sums of integer products against plain loops over the pairs of vpmaddubsw."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from compress_onnx.ort.integer.arithmetic import image_columns, lost, pairs_at_risk, sums
from compress_onnx.ort.integer.window import kernel_window

INT8 = st.integers(-128, 127)
matrices = hnp.arrays(np.int8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=INT8)


@given(matrices)
def test_a_pair_is_at_risk_exactly_if_some_activations_overflow_it(weights: NDArray[np.int8]) -> None:
    """A product is linear in each activation: its extremes lie at 0 and 255."""
    risky = pairs_at_risk(weights)
    wide = [*weights.astype(int).tolist(), [0] * weights.shape[1]]
    for place, channel in itertools.product(range(risky.shape[0]), range(weights.shape[1])):
        pair = wide[2 * place][channel], wide[2 * place + 1][channel]
        totals = [a * pair[0] + b * pair[1] for a, b in itertools.product((0, 255), repeat=2)]
        assert risky[place, channel] == any(not -32768 <= total <= 32767 for total in totals)


@given(matrices, st.integers(0, 2**32 - 1))
def test_sums_and_losses_are_those_of_a_plain_loop(weights: NDArray[np.int8], seed: int) -> None:
    columns = np.random.default_rng(seed).integers(0, 256, (len(weights), 3)).astype(np.uint8)
    exact, stopped = np.zeros((2, weights.shape[1], 3), int)
    for channel, row in itertools.product(range(weights.shape[1]), range(3)):
        products = [int(a) * int(w) for a, w in zip(columns[:, row], weights[:, channel], strict=True)]
        pairs = [sum(products[k : k + 2]) for k in range(0, len(products), 2)]
        exact[channel, row] = sum(pairs)
        stopped[channel, row] = sum(min(max(pair, -32768), 32767) for pair in pairs)
    np.testing.assert_array_equal(sums(columns, weights), exact)
    np.testing.assert_array_equal(sums(columns, weights) + lost(columns, weights), stopped)


def test_sums_beyond_what_float32_holds_are_exact() -> None:
    columns = np.full((4001, 2), 255, np.uint8)
    weights = np.full((4001, 1), 127, np.int8)
    assert sums(columns, weights).tolist() == [[4001 * 255 * 127] * 2]


@given(hnp.arrays(np.int8, (9, 4), elements=st.integers(-64, 64)))
def test_seven_bits_never_overflow(weights: NDArray[np.int8]) -> None:
    assert not pairs_at_risk(weights).any()


@pytest.mark.parametrize(
    ("size", "kernel", "attributes"),
    [
        ((7, 6), (3, 2), {}),
        ((7, 6), (3, 3), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
        ((9, 9), (3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
        ((8, 5), (4, 2), {"auto_pad": b"SAME_UPPER", "strides": [3, 2]}),
        ((8, 5), (4, 2), {"auto_pad": b"SAME_LOWER"}),
        ((8, 5), (4, 2), {"auto_pad": b"VALID"}),
        ((11,), (5,), {"strides": [2]}),
        ((4, 5, 6), (2, 3, 2), {"pads": [0, 1, 0, 0, 1, 1]}),
    ],
)
def test_columns_are_what_a_convolution_multiplies(
    size: tuple[int, ...], kernel: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    """PyTorch has the same geometry; its padding is made by hand where it is unequal."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    images, weights = rng.integers(0, 9, (2, 3, *size)).astype(np.uint8), rng.integers(-9, 9, (4, 3, *kernel))
    window = kernel_window(kernel, attributes)
    columns = image_columns(images, window, 5)
    got = np.tensordot(np.moveaxis(weights, 1, -1).reshape(4, -1), columns.astype(int), 1).swapaxes(0, 1)
    padded = np.pad(images, ((0, 0), (0, 0), *window.padding(size)), constant_values=5)
    convolve = getattr(torch.nn.functional, f"conv{len(size)}d")
    expected = convolve(
        torch.from_numpy(padded).double(),
        torch.from_numpy(weights).double(),
        stride=window.strides,
        dilation=window.dilations,
    )
    np.testing.assert_array_equal(got, expected.numpy())
