"""The float model that is quantized: what is fused in an unknown way is refused, and every tensor has a type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.compress.float_form.prepare import float_form, plain_operators, typed
from compress_onnx.errors import UnsupportedOperatorError

MakeModel = Callable[..., onnx.ModelProto]
Runner = Callable[[onnx.ModelProto, NDArray[np.float32]], NDArray[np.float32]]


def gelu(make_model: MakeModel, op: str = "Gelu") -> onnx.ModelProto:
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node(op, ["flat"], ["unknown to ONNX"], domain="com.microsoft"),
        helper.make_node("MatMul", ["unknown to ONNX", "w"], ["logits"]),
    ]
    weight = np.random.default_rng(0).normal(size=(192, 5)).astype(np.float32)
    return make_model(nodes, {"w": weight}, domains=("com.microsoft",))


def test_types_behind_operators_of_the_runtime_are_asked_of_it(make_model: MakeModel) -> None:
    result = typed(gelu(make_model))
    (value,) = [value for value in result.graph.value_info if value.name == "unknown to ONNX"]
    assert value.type.tensor_type.elem_type == TensorProto.FLOAT


def test_a_plain_model_is_itself(convnet: onnx.ModelProto) -> None:
    assert typed(convnet) is convnet


def test_the_float_form_computes_the_same(convnet: onnx.ModelProto, images: NDArray[np.float32], run: Runner) -> None:
    result = float_form(plain_operators(convnet))
    np.testing.assert_allclose(run(result, images), run(convnet, images), rtol=1e-4, atol=1e-4)


def test_an_activation_without_a_name_here_is_refused_with_its_node(make_model: MakeModel) -> None:
    model = gelu(make_model)
    node = model.graph.node[1]
    node.CopyFrom(
        helper.make_node(
            "FusedGemm", ["flat", "w"], ["unknown to ONNX"], "fc", domain="com.microsoft", activation="Softplus"
        )
    )
    with pytest.raises(UnsupportedOperatorError, match=r"Clip, Relu, .* got 'Softplus' in node 'fc'"):
        plain_operators(model, where="net.onnx")
