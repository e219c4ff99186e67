"""The table of kernels against the runtime itself: on this CPU, whichever it is, and on an emulated one without VNNI."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.ort.integer.emulation import fused
from compress_onnx.ort.integer.kernels import IntegerNode
from compress_onnx.ort.integer.probe import saturates
from compress_onnx.ort.integer.requantization import result_of
from compress_onnx.runtime.targets.naming import target_named

U8, S8 = np.uint8, np.int8
Case = tuple[onnx.ModelProto, NDArray[Any], bool, IntegerNode]
MICROSOFT = "com.microsoft"


def levels(rng: np.random.Generator, shape: tuple[int, ...], kind: Any, spread: float = 50) -> NDArray[Any]:
    """Weights around the middle of their type, wide enough that neighbors overflow."""
    values = np.clip(rng.normal(0, spread, shape).round(), -127, 127)
    return values.astype(S8) if kind is S8 else (values + 128).astype(U8)


def convolution(
    one_node: Callable[..., onnx.ModelProto],
    shape: tuple[int, ...],
    *,
    groups: int = 1,
    types: tuple[Any, Any] = (U8, S8),
    **attributes: Any,
) -> tuple[onnx.ModelProto, NDArray[Any]]:
    """A QLinearConv with weights of a shape, per-channel scales and a bias, and images for it."""
    rng = np.random.default_rng(0)
    kind, weight_kind = types
    low = np.iinfo(kind).min
    images = rng.integers(low, low + 256, (2, shape[1] * groups, *[9] * (len(shape) - 2))).astype(kind)
    size = int(np.prod(shape[1:]))
    tensors = {
        "xs": np.float32(1),
        "xz": kind(low + 13),
        "w": levels(rng, shape, weight_kind),
        "ws": rng.uniform(0.5, 1, shape[0]).astype(np.float32) if weight_kind is S8 else np.float32(1),
        "wz": np.zeros(shape[0], S8) if weight_kind is S8 else U8(128),
        "ys": np.float32(size**0.5 * 127),
        "yz": kind(low + 128),
        "b": rng.integers(-9999, 9999, shape[0]).astype(np.int32),
    }
    inputs = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    node = helper.make_node("QLinearConv", inputs, ["y"], "node", group=groups, **attributes)
    return one_node(node, tensors, images, TensorProto.UINT8 if kind is U8 else TensorProto.INT8), images


def product(
    one_node: Callable[..., onnx.ModelProto], op: str, rows: tuple[int, ...], inner: int, types: tuple[Any, Any]
) -> tuple[onnx.ModelProto, NDArray[Any]]:
    """A matrix product of one of the integer operators, and activations for it."""
    rng = np.random.default_rng(1)
    kind, weight_kind = types
    low = np.iinfo(kind).min
    given = rng.integers(low, low + 256, (*rows, inner)).astype(kind)
    tensors = {
        "xs": np.float32(0.5),
        "xz": kind(low + 13),
        "w": levels(rng, (inner, 10), weight_kind),
        "ws": np.float32(0.25),
        "wz": S8(0) if weight_kind is S8 else U8(128),
        "ys": np.float32(inner**0.5 * 20),
        "yz": kind(low + 128),
        "b": rng.integers(-9999, 9999, 10).astype(np.int32),
        "f": rng.normal(0, 9, 10).astype(np.float32),
    }
    inputs, result, domain = {
        "MatMulInteger": (["x", "w", "xz", "wz"], TensorProto.INT32, ""),
        "MatMulIntegerToFloat": (["x", "w", "xs", "ws", "xz", "wz", "f"], TensorProto.FLOAT, MICROSOFT),
        "QGemm": (
            ["x", "xs", "xz", "w", "ws", "wz", "b", "ys", "yz"],
            TensorProto.UINT8 if kind is U8 else TensorProto.INT8,
            MICROSOFT,
        ),
        "QLinearMatMul": (
            ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"],
            TensorProto.UINT8 if kind is U8 else TensorProto.INT8,
            "",
        ),
    }[op]
    node = helper.make_node(op, inputs, ["y"], "node", domain=domain)
    return one_node(node, {name: tensors[name] for name in inputs[1:]}, given, result), given


SAME = ((U8, S8), (S8, S8), (U8, U8))
SHAPES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((6, 1, 5, 5), {}),
    ((16, 3, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ((16, 16, 1, 1), {}),
    ((32, 64, 3, 3), {"dilations": [2, 2]}),
    ((24, 20, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 1]}),
    ((8, 6, 4, 4), {"auto_pad": "SAME_LOWER"}),
    ((8, 5, 3, 3), {"pads": [0, 1, 2, 1]}),
    ((8, 4, 3, 3), {"groups": 2}),
    ((12, 3, 3, 3), {"groups": 4}),
    ((32, 1, 3, 3), {"groups": 16}),
    ((32, 1, 3, 3), {"groups": 32}),
    ((17, 1, 5, 5), {"groups": 17, "pads": [2, 2, 2, 2]}),
    ((8, 8, 3), {}),
    ((16, 1, 7), {"groups": 16}),
    ((8, 4, 3, 3, 3), {}),
    ((16, 1, 3, 3, 3), {"groups": 16}),
]
OPERATORS = ("MatMulInteger", "MatMulIntegerToFloat", "QGemm", "QLinearMatMul")


def _cases(one_node: Callable[..., onnx.ModelProto]) -> Iterator[tuple[onnx.ModelProto, NDArray[Any], bool]]:
    """Yield models with inputs, and whether their kernel saturates on a CPU without VNNI."""
    for (shape, options), types in itertools.product(SHAPES, SAME):
        groups = options.get("groups", 1)
        depthwise = groups > 1 and groups == shape[0]
        yield *convolution(one_node, shape, types=types, **options), types == (U8, S8) and not depthwise
    for op, inner, rows, types in itertools.product(OPERATORS, (37, 64, 400), ((1,), (5,)), SAME):
        yield *product(one_node, op, rows, inner, types), types == (U8, S8)
    yield *product(one_node, "QLinearMatMul", (2, 3), 200, (U8, S8)), True
    yield *product(one_node, "MatMulInteger", (2, 3), 200, (S8, U8)), False
    rng = np.random.default_rng(2)
    given = rng.integers(0, 256, (2, 8, 6, 6)).astype(U8)
    tensors = {"w": levels(rng, (4, 8, 3, 3), S8), "xz": U8(9), "wz": S8(0)}
    node = helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], "node")
    yield one_node(node, tensors, given, TensorProto.INT32), given, False


@pytest.fixture(scope="module")
def cases(one_node: Any) -> list[Case]:
    """Models of one node, inputs, whether its kernel saturates without VNNI, and the node as it is read."""
    return [(model, given, way, *fused(model).nodes) for model, given, way in _cases(one_node)]


def computed(node: IntegerNode, given: NDArray[Any], *, saturating: bool) -> NDArray[Any]:
    point = node.constant(node.slots.activation_zero)
    assert point is not None
    sums = node.sums(given, int(point), saturating=saturating)
    return result_of(node, sums, given, node.constant)


def expect_equal(expected: NDArray[Any], got: NDArray[Any]) -> None:
    if expected.dtype == np.float32:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-2)
    else:
        # To the last bit, but for a sum halfway between two steps.
        assert np.abs(expected.astype(int) - got).max() <= (1 if expected.dtype != np.int32 else 0)
        assert (expected != got).mean() < 0.001


@pytest.mark.cpu
def test_every_kernel_adds_as_the_table_says_on_this_cpu(cases: list[Case], runtime: Any) -> None:
    for model, given, saturating, node in cases:
        assert node.adds_pairs == saturating, node.proto
        expect_equal(runtime(model, given), computed(node, given, saturating=saturates()))


def test_exactly_the_kernels_that_add_pairs_answer_otherwise_on_the_other_kind_of_cpu(cases: list[Case]) -> None:
    for _, given, saturating, node in cases:
        stopped, exact = (computed(node, given, saturating=way) for way in (True, False))
        assert (stopped != exact).any() <= saturating
        assert not saturating or node.risks().any()


@pytest.mark.slow
def test_every_kernel_adds_as_the_table_says_on_an_emulated_cpu(cases: list[Case], emulated: str) -> None:
    with target_named(emulated).worker() as worker:
        for model, given, _, node in cases:
            worker.load(model.SerializeToString())
            expect_equal(worker.run({"x": given})["y"], computed(node, given, saturating=True))


@pytest.mark.cpu
def test_weights_without_a_zero_in_the_middle_and_turned_ones_are_added_alike(one_node: Any, runtime: Any) -> None:
    rng = np.random.default_rng(3)
    given = rng.integers(0, 256, (4, 96)).astype(U8)
    tensors = {
        "xs": np.float32(1),
        "xz": U8(7),
        "w": levels(rng, (10, 96), S8),
        "ws": rng.uniform(0.5, 1, 10).astype(np.float32),
        "wz": rng.integers(-20, 20, 10).astype(S8),
        "e": np.zeros(10, np.int32),
    }
    node = helper.make_node(
        "QGemm", ["x", "xs", "xz", "w", "ws", "wz", "e"], ["y"], "node", domain=MICROSOFT, transB=1, alpha=0.5
    )
    model = one_node(node, tensors, given, TensorProto.FLOAT)
    (found,) = fused(model).nodes
    expect_equal(runtime(model, given), computed(found, given, saturating=saturates()))
