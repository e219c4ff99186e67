"""What becomes of integer sums, against ONNX's reference evaluator and plain integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.ort.integer.kernels import IntegerNode, integer_nodes
from compress_onnx.ort.integer.requantization import along_channels, result_of, zero_point_share

U8, S8 = np.uint8, np.int8
Tensors = dict[str, Any]
MakeOne = Callable[..., onnx.ModelProto]


def read(model: onnx.ModelProto) -> IntegerNode:
    (node,) = integer_nodes(model, {})
    return node


def computed(node: IntegerNode, raw: NDArray[np.int64], levels: NDArray[Any]) -> NDArray[Any]:
    return result_of(node, raw, levels, node.constant)


def reference(model: onnx.ModelProto, levels: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(ReferenceEvaluator(model).run(None, {"x": levels})[0])


def raw_convolution(levels: NDArray[Any], weights: NDArray[Any], groups: int = 1) -> NDArray[np.int64]:
    """Return sums of raw products by a plain loop over places, without padding."""
    outputs, inner, height, width = weights.shape
    wide = levels.astype(np.int64)
    rows, columns = wide.shape[2] - height + 1, wide.shape[3] - width + 1
    made = np.zeros((len(wide), outputs, rows, columns), np.int64)
    for channel in range(outputs):
        first = channel // (outputs // groups) * inner
        for i in range(rows):
            for j in range(columns):
                seen = wide[:, first : first + inner, i : i + height, j : j + width]
                made[:, channel, i, j] = (seen * weights[channel].astype(np.int64)).sum(axis=(1, 2, 3))
    return made


def product(one_node: MakeOne, op: str, levels: NDArray[Any], tensors: Tensors, kind: int) -> onnx.ModelProto:
    return one_node(helper.make_node(op, ["x", *tensors], ["y"], "node"), tensors, levels, kind)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from([U8, S8]), weight_kind=st.sampled_from([U8, S8]))
def test_zero_points_on_both_sides_are_taken_off(one_node: MakeOne, seed: int, kind: Any, weight_kind: Any) -> None:
    rng = np.random.default_rng(seed)
    low, weight_low = np.iinfo(kind).min, np.iinfo(weight_kind).min
    levels = rng.integers(low, low + 256, (3, 7)).astype(kind)
    weights = rng.integers(weight_low, weight_low + 256, (7, 5)).astype(weight_kind)
    tensors = {
        "w": weights,
        "xz": rng.integers(low, low + 256, ()).astype(kind),
        "wz": rng.integers(weight_low, weight_low + 256, 5).astype(weight_kind),
    }
    node = read(product(one_node, "MatMulInteger", levels, tensors, TensorProto.INT32))
    raw = levels.astype(np.int64) @ weights.astype(np.int64)
    got = computed(node, raw, levels)
    off = (levels.astype(np.int64) - int(tensors["xz"])) @ (weights.astype(np.int64) - tensors["wz"].astype(np.int64))
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, off)
    np.testing.assert_array_equal(zero_point_share(node, levels, node.constant), raw - off)


def test_absent_zero_points_leave_the_sums_alone(one_node: MakeOne) -> None:
    levels = np.array([[200, 3]], U8)
    node = read(product(one_node, "MatMulInteger", levels, {"w": np.array([[5], [-7]], S8)}, TensorProto.INT32))
    raw = np.array([[979]])
    assert computed(node, raw, levels).tolist() == [[979]]
    assert not zero_point_share(node, levels, node.constant).any()


def qlinear(rng: np.random.Generator, kind: Any, step: float) -> Tensors:
    """A QLinearMatMul of 9 inputs and 4 outputs; steps are powers of two, so that float32 loses nothing."""
    low = np.iinfo(kind).min
    return {
        "xs": np.float32(0.5),
        "xz": kind(low + 13),
        "w": rng.integers(-127, 128, (9, 4)).astype(S8),
        "ws": np.float32(0.25),
        "wz": S8(0),
        "ys": np.float32(step),
        "yz": kind(low + 100),
    }


@pytest.mark.parametrize("kind", [U8, S8])
@pytest.mark.parametrize("step", [1.0, 64.0, 512.0])
def test_quantized_results_are_those_of_the_reference(one_node: MakeOne, kind: Any, step: float) -> None:
    rng = np.random.default_rng(1)
    low = np.iinfo(kind).min
    levels = rng.integers(low, low + 256, (50, 9)).astype(kind)
    tensors = qlinear(rng, kind, step)
    result = TensorProto.UINT8 if kind is U8 else TensorProto.INT8
    model = product(one_node, "QLinearMatMul", levels, tensors, result)
    got = computed(read(model), levels.astype(np.int64) @ tensors["w"].astype(np.int64), levels)
    expected = reference(model, levels)
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == kind
    # The smallest step clips most, the largest none.
    assert (np.isin(expected, [low, low + 255]).mean() > 0.5) == (step == 1.0)


def test_halves_are_rounded_to_even_before_the_zero_point_is_added(one_node: MakeOne, runtime: Any) -> None:
    """With a zero point of 3 a rounding of the moved sum would end at other integers."""
    levels = np.array([[1], [3], [5], [7]], U8)
    one = np.float32(1)
    tensors = {
        "xs": one,
        "xz": U8(0),
        "w": np.array([[1]], S8),
        "ws": one,
        "wz": S8(0),
        "ys": np.float32(2),
        "yz": U8(3),
    }
    model = product(one_node, "QLinearMatMul", levels, tensors, TensorProto.UINT8)
    assert computed(read(model), levels.astype(np.int64), levels).ravel().tolist() == [3, 5, 5, 7]
    assert runtime(model, levels).ravel().tolist() == [3, 5, 5, 7]


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolutions_scales_and_biases_are_those_of_its_channels(one_node: MakeOne, groups: int) -> None:
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 256, (2, 4, 6, 5)).astype(U8)
    tensors = {
        "xs": np.float32(0.5),
        "xz": U8(13),
        "w": rng.integers(-127, 128, (6, 4 // groups, 3, 2)).astype(S8),
        "ws": np.float32([0.125, 0.25, 0.5, 1, 2, 4]),
        "wz": np.zeros(6, S8),
        "ys": np.float32(256),
        "yz": U8(128),
        "b": rng.integers(-9999, 9999, 6).astype(np.int32),
    }
    node = helper.make_node("QLinearConv", ["x", *tensors], ["y"], "node", group=groups)
    model = one_node(node, tensors, levels, TensorProto.UINT8)
    got = computed(read(model), raw_convolution(levels, tensors["w"], groups), levels)
    sums = raw_convolution(levels.astype(np.int64) - 13, tensors["w"], groups)
    scales = 0.5 * tensors["ws"].astype(np.float64) / 256
    real = (sums + tensors["b"].reshape(-1, 1, 1)) * scales.reshape(-1, 1, 1)
    np.testing.assert_array_equal(got, np.clip(np.rint(real) + 128, 0, 255))
    assert len(np.unique(got)) > 50


def test_a_float_bias_is_added_after_the_scale_and_alpha_multiplies(one_node: MakeOne) -> None:
    levels = np.array([[10, 20]], U8)
    tensors = {
        "w": np.array([[1, 2], [3, -4]], S8),
        "xs": np.float32(0.5),
        "ws": np.float32([2, 4]),
        "xz": U8(4),
        "wz": S8(0),
        "f": np.float32([0.25, -0.5]),
    }
    node = helper.make_node("MatMulIntegerToFloat", ["x", *tensors], ["y"], "node", domain="com.microsoft")
    model = one_node(node, tensors, levels, TensorProto.FLOAT)
    raw = levels.astype(np.int64) @ tensors["w"].astype(np.int64)
    # Sums of 54 and -52, times 0.5, times 2 or 4, and the bias.
    assert computed(read(model), raw, levels).tolist() == [[54.25, -104.5]]
    gemm = {"xs": np.float32(0.5), "xz": U8(4), "w": tensors["w"], "ws": np.float32([2, 4]), "wz": S8(0)}
    gemm["b"] = np.array([1, 2], np.int32)
    node = helper.make_node("QGemm", ["x", *gemm], ["y"], "node", domain="com.microsoft", alpha=2.0)
    # Sums of 54 + 1 and -52 + 2, times 2 by alpha, times 0.5, times 2 or 4.
    assert computed(read(one_node(node, gemm, levels, TensorProto.FLOAT)), raw, levels).tolist() == [[110.0, -200.0]]


def test_values_of_channels_broadcast_along_the_axis_that_holds_them(one_node: MakeOne) -> None:
    levels = np.zeros((1, 2, 4, 4), U8)
    tensors = {"w": np.ones((3, 2, 1, 1), S8)}
    node = helper.make_node("ConvInteger", ["x", "w"], ["y"], "node")
    convolution = read(one_node(node, tensors, levels, TensorProto.INT32))
    assert along_channels(convolution, np.arange(3), 4).shape == (3, 1, 1)
    assert along_channels(convolution, np.float32(2), 4).shape == (1,)
    flat = np.zeros((1, 2), U8)
    matrix = read(product(one_node, "MatMulInteger", flat, {"w": np.ones((2, 3), S8)}, TensorProto.INT32))
    assert along_channels(matrix, np.arange(3).reshape(1, 3), 2).shape == (3,)
