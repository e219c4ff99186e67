"""Which operators take weights, in which slot, and of which type: against the types that the reference computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.model.census.uses import Use, kind_of, uses
from compress_onnx.model.constants.graph_regions import regions
from compress_onnx.model.constants.values import array, value

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(31)
M = RNG.normal(size=(192, 5)).astype(np.float32)
FLAT = helper.make_node("Flatten", ["input"], ["flat"])
PRODUCT = helper.make_node("MatMul", ["flat", "m"], ["logits"])


def node(op: str, inputs: str, output: str = "m", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def found(model: onnx.ModelProto) -> list[Use]:
    return list(uses(regions(model)))


def test_layers_use_weights_and_neither_biases_nor_statistics(convnet: onnx.ModelProto) -> None:
    assert [(use.node.name, use.constant.name, use.slot.weight) for use in found(convnet)] == [
        ("conv1", "w1", 1),
        ("conv2", "w2", 1),
        ("fc", "w3", 1),
    ]


def test_a_weight_may_stand_on_the_left(make_model: MakeModel) -> None:
    nodes = [
        FLAT,
        node("Transpose", "flat", "column", perm=[1, 0]),
        node("MatMul", "w column", "turned"),
        node("Transpose", "turned", "logits", perm=[1, 0]),
    ]
    (use,) = found(make_model(nodes, {"w": M.T.copy()}))
    assert (use.constant.name, use.slot.weight, use.slot.activation) == ("w", 0, 1)


def test_operators_that_combine_constants_and_vectors_are_none(make_model: MakeModel) -> None:
    nodes = [
        node("MatMul", "u v"),
        FLAT,
        PRODUCT,
    ]
    assert [use.constant.name for use in found(make_model(nodes, {"u": M[:, :2].copy(), "v": M[:2].copy()}))] == ["m"]
    nodes = [
        FLAT,
        node("MatMul", "flat vector", "dots"),
        node("Reshape", "dots shape", "column"),
        node("MatMul", "column row", "logits"),
    ]
    tensors = {"vector": M[:, 0].copy(), "shape": np.array([-1, 1]), "row": M[:1].copy()}
    assert [use.constant.name for use in found(make_model(nodes, tensors))] == ["row"]


def test_an_operator_of_integers_takes_integers_and_one_of_floats_does_not(make_model: MakeModel) -> None:
    nodes = [
        FLAT,
        helper.make_node("DynamicQuantizeLinear", ["flat"], ["q", "scale", "point"]),
        node("MatMulInteger", "q w point zero", "product"),
        node("Cast", "product", "logits", to=TensorProto.FLOAT),
    ]
    (use,) = found(make_model(nodes, {"w": (M * 40).astype(np.int8), "zero": np.int8(0)}))
    assert (use.constant.name, use.slot.weight, use.slot.zero, kind_of(use.constant)) == ("w", 1, 3, TensorProto.INT8)
    nodes = [
        FLAT,
        node("Cast", "flat", "whole", to=TensorProto.INT32),
        node("MatMul", "whole m", "product"),
        node("Cast", "product", "logits", to=TensorProto.FLOAT),
    ]
    assert found(make_model(nodes, {"m": (M * 40).astype(np.int32)})) == []


def test_a_linear_model_holds_its_weights_one_row_per_output(make_model: MakeModel) -> None:
    linear = helper.make_node(
        "LinearRegressor",
        ["flat"],
        ["logits"],
        "linear",
        domain="ai.onnx.ml",
        coefficients=M.T.ravel().tolist(),
        targets=5,
    )
    (use,) = found(make_model([FLAT, linear], {}, domains=("ai.onnx.ml",)))
    assert use.slot.weight is None
    assert use.constant.stored is not None
    np.testing.assert_array_equal(array(use.constant.stored), M.T)


def test_weights_in_branches_are_used_there(make_model: MakeModel) -> None:
    def branch(name: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
        stored = [numpy_helper.from_array(M, f"{name}_w")]
        return helper.make_graph([node("MatMul", f"flat {name}_w", out.name)], name, [], [out], stored)

    choice = helper.make_node("If", ["yes"], ["logits"], then_branch=branch("then"), else_branch=branch("else"))
    model = make_model([FLAT, choice], {"yes": np.array([True])})
    assert {use.constant.name: use.region.place.split()[0] for use in found(model)} == {
        "then_w": "then_branch",
        "else_w": "else_branch",
    }


SCALE: dict[str, NDArray[Any]] = {"s": np.float32(0.1), "p": np.int8(1), "half": np.array(0.5, np.float16)}
MADE: dict[str, list[onnx.NodeProto]] = {
    "stored": [node("Identity", "f")],
    "cast": [node("Cast", "f", to=TensorProto.FLOAT16)],
    "cast like": [node("CastLike", "f half")],
    "quantized": [node("QuantizeLinear", "f s p")],
    "quantized without point": [node("QuantizeLinear", "f s")],
    "quantized as told": [node("QuantizeLinear", "f s", output_dtype=TensorProto.INT16)],
    "dequantized": [node("DequantizeLinear", "i s")],
    "dequantized in half": [node("DequantizeLinear", "i half")],
    "moved": [node("Transpose", "i", perm=[1, 0])],
    "chosen": [node("Where", "mask f f")],
    "compared": [node("Greater", "f s")],
    "product": [node("MatMul", "f f")],
    "changed": [node("Cast", "f", "c", to=TensorProto.DOUBLE), node("Exp", "c")],
}


@pytest.mark.parametrize("name", MADE)
def test_the_type_of_a_constant_is_that_of_its_values(make_model: MakeModel, name: str) -> None:
    square = RNG.normal(size=(5, 5)).astype(np.float32)
    tensors = {"w": M, "f": square, "i": (square * 40).astype(np.int8), "mask": square > 0, **SCALE}
    (main,) = regions(make_model([*MADE[name], FLAT, node("MatMul", "flat w", "logits")], tensors))
    constant = main.constant("m")
    assert constant is not None
    assert kind_of(constant) == helper.np_dtype_to_tensor_dtype(value(constant).dtype)


def test_what_cannot_be_known_is_never_passed_over(make_model: MakeModel) -> None:
    nodes = [helper.make_node("Own", ["codes", "table"], ["m"], domain="acme"), FLAT, PRODUCT]
    tensors = {"codes": np.zeros((192, 5), np.uint8), "table": np.linspace(0, 1, 9).astype(np.float16)}
    (use,) = found(make_model(nodes, tensors, domains=("acme",)))
    assert (use.constant.name, kind_of(use.constant)) == ("m", TensorProto.FLOAT16)
