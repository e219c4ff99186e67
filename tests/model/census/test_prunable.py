"""Zeros written into what is called prunable are zeros where it is multiplied; all else has a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.census.census import weights
from compress_onnx.model.census.prunable import out_of_reach, prunable_initializers

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(21)
M = RNG.uniform(0.5, 1, (192, 5)).astype(np.float32)
FLAT = helper.make_node("Flatten", ["input"], ["flat"])
IMAGES = RNG.uniform(0.5, 1, (2, 3, 8, 8)).astype(np.float32)


def node(op: str, inputs: str, output: str = "m", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def made(make_model: MakeModel, nodes: list[onnx.NodeProto], *domains: str, **tensors: Any) -> onnx.ModelProto:
    """Make a network that multiplies by ``m``, which nodes make of tensors."""
    return make_model([*nodes, FLAT, node("MatMul", "flat m", "logits")], tensors, domains=domains)


COLUMN = np.array([[2], [3], [4], [5], [6]], np.float32)
REACHED: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
    "as it is": ([], {"m": M}),
    "turned and scaled": (
        [node("Mul", "w column", "scaled"), node("Transpose", "scaled", perm=[1, 0])],
        {"w": M.T.copy(), "column": COLUMN},
    ),
    "divided": ([node("Div", "w row")], {"w": M, "row": COLUMN.T.copy()}),
    "cast": ([node("Cast", "w", to=TensorProto.FLOAT)], {"w": M.astype(np.float16)}),
    "negative": ([node("Neg", "w")], {"w": M}),
    "rows several times": ([node("Gather", "w rows", axis=0)], {"w": M[:9], "rows": np.arange(192) % 9}),
}


@pytest.mark.parametrize("name", REACHED)
def test_zeros_written_there_are_zeros_where_they_are_multiplied(make_model: MakeModel, name: str) -> None:
    nodes, tensors = REACHED[name]
    model = made(make_model, nodes, **tensors)
    assert out_of_reach(model) == {}
    (tensor,) = prunable_initializers(model).values()
    assert any(tensor is stored for stored in model.graph.initializer)
    assert np.all(ReferenceEvaluator(model).run(None, {"input": IMAGES})[0] != 0)
    tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name))
    np.testing.assert_array_equal(ReferenceEvaluator(model).run(None, {"input": IMAGES})[0], np.zeros((2, 5)))


ATTRIBUTES: dict[str, Any] = {"coefficients": M.T.ravel().tolist(), "targets": 5}
UNREACHED: dict[str, tuple[list[onnx.NodeProto], dict[str, Any], str]] = {
    "integers": (
        [node("DequantizeLinear", "w scale")],
        {"w": (M * 100).astype(np.int8), "scale": np.float32(0.01)},
        "stored as integers",
    ),
    "exponential": ([node("Exp", "w")], {"w": M}, "changed by other constants"),
    "shifted": ([node("Add", "w one")], {"w": M, "one": np.ones(1, np.float32)}, "changed by other constants"),
    "below": ([node("Div", "one w")], {"w": M, "one": np.ones(1, np.float32)}, "changed by other constants"),
    "in part": ([node("Gather", "w rows", axis=0)], {"w": np.tile(M, (2, 1)), "rows": np.arange(192)}, "used in part"),
    "foreign": (
        [helper.make_node("Own", ["w"], ["m"], domain="acme")],
        {"w": M},
        "behind acme.Own, which is not known here",
    ),
}


@pytest.mark.parametrize("name", UNREACHED)
def test_what_is_out_of_reach_says_why(make_model: MakeModel, name: str) -> None:
    nodes, tensors, why = UNREACHED[name]
    model = made(make_model, nodes, "acme", **tensors)
    assert prunable_initializers(model) == {}
    assert out_of_reach(model) == {"w": why}


def test_what_two_constants_make_together_is_made_when_loaded(make_model: MakeModel) -> None:
    model = made(make_model, [node("MatMul", "u v")], u=M[:, :2].copy(), v=M[:2].copy())
    assert out_of_reach(model) == {"m": "made by MatMul when the model is loaded"}


def test_sparse_weights_and_attributes_are_named(make_model: MakeModel) -> None:
    model = made(make_model, [], m=M)
    del model.graph.initializer[:]
    values = helper.make_tensor("m", TensorProto.FLOAT, [M.size], M.ravel())
    places = numpy_helper.from_array(np.arange(M.size), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, M.shape))
    assert out_of_reach(model) == {"m": "stored sparsely"}
    linear = helper.make_node("LinearRegressor", ["flat"], ["logits"], "linear", domain="ai.onnx.ml", **ATTRIBUTES)
    model = make_model([FLAT, linear], {}, domains=("ai.onnx.ml",))
    assert out_of_reach(model) == {"linear.coefficients": "an attribute of LinearRegressor"}


def test_a_weight_in_the_order_of_one_cpu_is_named(make_model: MakeModel) -> None:
    conv = helper.make_node("Conv", ["input", "k"], ["c"], domain="com.microsoft.nchwc")
    model = make_model(
        [conv, node("Flatten", "c", "flat"), node("MatMul", "flat m", "logits")],
        {"k": np.ones((8, 3, 1, 1), np.float32), "m": RNG.normal(size=(512, 5)).astype(np.float32)},
        domains=("com.microsoft.nchwc",),
    )
    assert out_of_reach(model) == {"k": "in the order of one CPU's kernels"}
    assert list(prunable_initializers(model)) == ["m"]


def test_one_use_out_of_reach_is_enough(make_model: MakeModel) -> None:
    square = RNG.normal(size=(5, 5)).astype(np.float32)
    nodes = [
        FLAT,
        node("MatMul", "flat m", "h"),
        node("MatMul", "h square", "g"),
        node("Exp", "square", "risen"),
        node("MatMul", "g risen", "logits"),
    ]
    model = make_model(nodes, {"m": M, "square": square})
    assert list(prunable_initializers(model)) == ["m"]
    assert out_of_reach(model) == {"square": "changed by other constants"}


def test_all_of_the_census_is_one_or_the_other(make_model: MakeModel, convnet: onnx.ModelProto) -> None:
    cases = [(nodes, tensors) for nodes, tensors, *_ in (*REACHED.values(), *UNREACHED.values())]
    for model in (convnet, *(made(make_model, nodes, "acme", **tensors) for nodes, tensors in cases)):
        names = {*prunable_initializers(model)}, {*out_of_reach(model)}
        assert not names[0] & names[1]
        assert names[0] | names[1] == {weight.name for weight in weights(model)}
