"""Which tensors are weights, in which type, and how many of their values are zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.model.census.census import is_quantized, weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.records.artifacts import Precision

Dequantized = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(3)
INT8 = RNG.integers(-3, 4, (192, 5)).astype(np.int8)
POINTS = np.array([1, 0, -1, 2, 3], np.int8)


def packed(name: str, values: np.ndarray[Any, Any], kind: int) -> onnx.TensorProto:
    return helper.make_tensor(name, kind, values.shape, values)


def test_prunable_weights_come_in_order_of_use_without_biases(convnet: onnx.ModelProto) -> None:
    assert list(prunable_initializers(convnet)) == ["w1", "w2", "w3"]
    found = weights(convnet)
    assert [(weight.name, weight.ops, weight.shape, weight.bits) for weight in found] == [
        ("w1", ("Conv",), (8, 3, 3, 3), 32),
        ("w2", ("Conv",), (8, 2, 3, 3), 32),
        ("w3", ("Gemm",), (5, 8), 32),
    ]
    assert precision_of(convnet) == Precision.FP32
    assert not is_quantized(convnet)


def test_a_shared_weight_is_one_weight_of_two_operators(make_model: Callable[..., onnx.ModelProto]) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "w"], ["b"], pads=[1] * 4),
        helper.make_node("Flatten", ["b"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["logits"]),
    ]
    model = make_model(nodes, {"w": np.eye(3, dtype=np.float32)[..., None, None], "m": np.ones((192, 5), np.float32)})
    assert [(w.name, w.ops, w.elements, w.nonzero) for w in weights(model)] == [
        ("w", ("Conv", "Conv"), 9, 3),
        ("m", ("MatMul",), 960, 960),
    ]


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
def test_four_bit_weights_count_four_bits(dequantized: Dequantized, kind: int) -> None:
    values = np.abs(INT8) if kind == TensorProto.UINT4 else INT8
    points = np.abs(POINTS) if kind == TensorProto.UINT4 else POINTS
    model = dequantized(packed("w", values, kind), packed("point", points, kind), (5,))
    (weight,) = weights(model)
    assert (weight.bits, weight.elements, weight.nonzero) == (4, 960, np.count_nonzero(values - points))
    assert precision_of(model) == "W4 (weight only)"


def test_stored_in_four_bits_and_cast_to_eight(dequantized: Dequantized) -> None:
    point = numpy_helper.from_array(POINTS, "point")
    model = dequantized(packed("w", INT8, TensorProto.INT4), point, (5,), cast_to=TensorProto.INT8)
    (weight,) = weights(model)
    assert (weight.name, weight.bits, weight.nonzero) == ("w", 4, np.count_nonzero(INT8 - POINTS))


def test_rank_one_and_activations_are_no_weights(make_model: Callable[..., onnx.ModelProto]) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "vector"], ["dots"]),
        helper.make_node("Reshape", ["dots", "shape"], ["column"]),
        helper.make_node("MatMul", ["column", "row"], ["logits"]),
    ]
    tensors = {"vector": np.ones(192, np.float32), "shape": np.array([-1, 1]), "row": np.ones((1, 5), np.float32)}
    model = make_model(nodes, tensors)
    assert list(prunable_initializers(model)) == ["row"]
    assert [weight.name for weight in weights(model)] == ["row"]


def test_equal_names_in_two_branches_are_told_apart(make_model: Callable[..., onnx.ModelProto]) -> None:
    def branch(name: str) -> onnx.GraphProto:
        held = numpy_helper.from_array(np.ones((192, 5), np.float32), "w")
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node("MatMul", ["flat", "w"], [out.name])], name, [], [out], [held])

    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("If", ["yes"], ["logits"], "choice", then_branch=branch("a"), else_branch=branch("b")),
    ]
    model = make_model(nodes, {"yes": np.array(True)})  # noqa: FBT003  # a tensor
    places = ["else_branch of If 'choice'", "then_branch of If 'choice'"]
    assert [weight.place for weight in weights(model)] == places
    assert list(prunable_initializers(model)) == [f"{place}: w" for place in places]


def test_a_constant_expression_is_no_operator_with_weights(make_model: Callable[..., onnx.ModelProto]) -> None:
    nodes = [
        helper.make_node("MatMul", ["u", "v"], ["m"]),
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["logits"]),
    ]
    tensors = {"u": np.ones((192, 2), np.float32), "v": np.ones((2, 5), np.float32)}
    assert [(weight.name, weight.elements) for weight in weights(make_model(nodes, tensors))] == [("m", 960)]


def test_a_chain_too_long_to_follow_is_still_a_weight(make_model: Callable[..., onnx.ModelProto]) -> None:
    links = [helper.make_node("Identity", [f"m{n}"], [f"m{n + 1}"]) for n in range(2000)]
    ends = [helper.make_node("Flatten", ["input"], ["flat"]), helper.make_node("MatMul", ["flat", "m2000"], ["logits"])]
    (weight,) = weights(make_model([*links, *ends], {"m0": INT8.astype(np.float32)}))
    assert (weight.name, weight.nonzero) == ("m0", np.count_nonzero(INT8))
