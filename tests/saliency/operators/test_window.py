"""Windows: where they lie, what they hang over, and what saturation takes from their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.ort.integer.kernels import integer_nodes  # noqa: E402
from compress_onnx.saliency.operators.node import Node  # noqa: E402
from compress_onnx.saliency.operators.window import (  # noqa: E402
    Saturation,
    Window2d,
    padded,
    saturation_of,
    window_of,
)
from compress_onnx.saliency.twin import build_twin  # noqa: E402

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
SIZE = st.tuples(st.integers(1, 9), st.integers(1, 9))


def extents(window: Window2d) -> tuple[int, ...]:
    return tuple((side - 1) * step + 1 for side, step in zip(window.kernel, window.dilations, strict=True))


@given(kernel=PAIR, strides=PAIR, dilations=PAIR, size=SIZE, lower=st.booleans())
def test_automatic_padding_is_the_least_that_gives_a_window_every_stride(
    kernel: Any, strides: Any, dilations: Any, size: Any, *, lower: bool
) -> None:
    auto_pad = "SAME_LOWER" if lower else "SAME_UPPER"
    window = Window2d(kernel=kernel, strides=strides, dilations=dilations, auto_pad=auto_pad)
    left, right, top, bottom = window.padding(size)
    for axis, (before, after) in enumerate(((top, bottom), (left, right))):
        whole = size[axis] + before + after
        wanted = -(-size[axis] // strides[axis])
        assert (whole - extents(window)[axis]) // strides[axis] + 1 == wanted
        assert before + after == 0 or (whole - 1 - extents(window)[axis]) // strides[axis] + 1 == wanted - 1
        assert (before - after if lower else after - before) in {0, 1}


@given(kernel=PAIR, strides=PAIR, size=SIZE, pads=st.tuples(*[st.integers(0, 2)] * 4))
def test_an_overhang_lets_in_one_window_more_if_it_starts_before_the_image_ends(
    kernel: Any, strides: Any, size: Any, pads: Any
) -> None:
    window = Window2d(kernel=kernel, strides=strides, pads=pads, ceil_mode=True)
    first, right, second, bottom = window.overhang(size)
    assert (first, second) == (0, 0)
    for axis, over in enumerate((bottom, right)):
        padded_size = size[axis] + pads[axis] + pads[axis + 2]
        if padded_size < kernel[axis]:
            continue
        last_whole = max(start for start in range(0, padded_size, strides[axis]) if start + kernel[axis] <= padded_size)
        next_one = last_whole + strides[axis]
        # One window more where the last whole one leaves something over, if it starts before the image ends.
        hangs = last_whole + kernel[axis] < padded_size and next_one < size[axis] + pads[axis]
        assert over == (max(next_one + kernel[axis] - padded_size, 0) if hangs else 0)


def test_without_ceil_mode_nothing_hangs_over() -> None:
    assert Window2d(kernel=(2, 2), strides=(2, 2)).overhang((5, 5)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "fixed", "symmetric"),
    [
        ({}, True, True),
        ({"pads": (1, 2, 1, 2)}, True, True),
        ({"pads": (1, 2, 2, 1)}, True, False),
        ({"auto_pad": "VALID"}, True, True),
        ({"auto_pad": "SAME_UPPER"}, False, False),
    ],
)
def test_only_a_padding_equal_at_both_ends_is_left_to_pytorch(changes: Any, *, fixed: bool, symmetric: bool) -> None:
    window = Window2d(kernel=(3, 3), **changes)
    assert (window.fixed, window.symmetric) == (fixed, symmetric)


def test_given_padding_is_handed_on_in_pytorch_s_order() -> None:
    assert Window2d(kernel=(3, 3), pads=(1, 2, 3, 4)).padding((9, 9)) == (2, 4, 1, 3)


def test_a_border_has_one_value_and_none_is_added_for_nothing() -> None:
    images = torch.ones(1, 1, 2, 2)
    expected = np.pad(images.numpy(), ((0, 0), (0, 0), (0, 1), (2, 0)), constant_values=-5)
    np.testing.assert_array_equal(padded(images, (2, 0, 0, 1), -5.0).numpy(), expected)
    assert padded(images, (0, 0, 0, 0), -5.0) is images


def seen(**attributes: Any) -> Node:
    return Node(helper.make_node("MaxPool", ["x"], ["y"], "pool", **attributes), [None], 21)


def test_a_node_says_its_window() -> None:
    node = seen(strides=[2, 3], dilations=[1, 2], pads=[1, 2, 3, 4], ceil_mode=1)
    expected = Window2d(kernel=(3, 4), strides=(2, 3), dilations=(1, 2), pads=(1, 2, 3, 4), ceil_mode=True)
    assert window_of(node, [3, 4]) == expected
    assert window_of(seen(), [3, 4]) == Window2d(kernel=(3, 4))


def test_pads_beside_an_automatic_padding_do_not_count() -> None:
    assert window_of(seen(auto_pad="VALID", pads=[1] * 4), [2, 2]).padding((4, 4)) == (0, 0, 0, 0)


@pytest.mark.parametrize("kernel", [[3], [3, 3, 3]])
def test_windows_of_one_or_three_dimensions_are_refused(kernel: list[int]) -> None:
    with pytest.raises(UnsupportedOperatorError, match=rf"MaxPool with {len(kernel)} spatial dimensions.*'pool'"):
        window_of(seen(), kernel)


POINT = 10
WEIGHTS = np.random.default_rng(0).choice(np.int8([-127, -100, 3, 100, 127]), (6, 4))


def product(*, constant_scales: bool = True) -> Any:
    """A matrix product of unsigned bytes with signed ones, scales per output."""
    stored = {
        "z": np.uint8(POINT),
        "w": WEIGHTS,
        "wz": np.zeros(4, np.int8),
        "t": np.float32(1),
        "y": np.uint8(0),
    }
    scales = {"s": np.float32(0.5), "ws": np.float32([0.01, 0.02, 0.03, 0.04])}
    if constant_scales:
        stored |= scales
    graph = helper.make_graph(
        [helper.make_node("QLinearMatMul", ["x", "s", "z", "w", "ws", "wz", "t", "y"], ["o"], "product")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 6])],
        [helper.make_tensor_value_info("o", TensorProto.UINT8, ["n", 4])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (node,) = integer_nodes(model, {})
    return node


def test_a_product_loses_what_int16_sums_of_pairs_lose() -> None:
    levels = np.random.default_rng(1).integers(0, 256, (20, 6))
    levels[0] = 255
    values = torch.from_numpy(((levels - POINT) * 0.5).astype(np.float32))
    scales = 0.5 * np.array([0.01, 0.02, 0.03, 0.04])
    exact, saturated = np.zeros((20, 4)), np.zeros((20, 4))
    for first in range(0, 6, 2):
        pairs = levels[:, first : first + 2] @ WEIGHTS[first : first + 2].astype(int)
        exact += pairs
        saturated += np.clip(pairs, -(2**15), 2**15 - 1)
    assert (exact != saturated).any()
    module = saturation_of(product())
    assert module is not None
    product_values = torch.from_numpy(((exact - POINT * WEIGHTS.sum(axis=0, dtype=int)) * scales).astype(np.float32))
    got = (module(product_values, values) - product_values).numpy()
    np.testing.assert_allclose(got, (saturated - exact) * scales, rtol=1e-4, atol=1e-3)


def test_activations_beyond_the_levels_count_as_the_outermost_ones() -> None:
    module = saturation_of(product())
    assert module is not None
    nothing = torch.zeros(1, 4)
    far, outermost = (torch.full((1, 6), value) for value in (1e6, (255 - POINT) * 0.5))
    assert torch.equal(module(nothing, far), module(nothing, outermost))
    assert (module(nothing, outermost) != 0).any()


def test_a_product_whose_scales_are_computed_has_no_such_module() -> None:
    assert saturation_of(product(constant_scales=False)) is None


def test_a_saturating_twin_has_the_gradient_of_the_exact_product(quantized: Any) -> None:
    module = next(part for part in build_twin(quantized, saturating=True).modules() if isinstance(part, Saturation))
    conv = next(part for part in build_twin(quantized).modules() if isinstance(part, torch.nn.Conv2d))
    values = torch.full((1, 3, 12, 12), (255 - module._point) * module._step, requires_grad=True)
    product = conv(values)
    changed = module(product, values)
    assert (changed != product).any()
    (expected,), (got,) = (torch.autograd.grad(part.sum(), values, retain_graph=True) for part in (product, changed))
    assert torch.equal(expected, got)
