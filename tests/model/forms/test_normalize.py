"""The plain form of a model is that of its plain form, and leaves the model alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.files import model_bytes
from compress_onnx.model.forms.normalize import normalized, with_plain_tensors

MakeModel = Callable[..., onnx.ModelProto]


def scattered_constants(make_model: MakeModel) -> onnx.ModelProto:
    """Weights behind Constant, Transpose and Identity nodes, and one listed as an input."""
    weight = np.random.default_rng(1).normal(size=(5, 192)).astype(np.float32)
    nodes = [
        helper.make_node("Constant", [], ["raw"], value=numpy_helper.from_array(weight, "inside")),
        helper.make_node("Identity", ["raw"], ["same"]),
        helper.make_node("Transpose", ["same"], ["turned"]),
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Gemm", ["flat", "turned", "bias"], ["logits"]),
    ]
    model = make_model(nodes, {"bias": np.ones(5, np.float32)})
    model.graph.input.append(helper.make_tensor_value_info("bias", onnx.TensorProto.FLOAT, [5]))
    return model


def test_constants_end_as_initializers_under_their_own_name(make_model: MakeModel) -> None:
    model = scattered_constants(make_model)
    before = model_bytes(model)
    plain = normalized(model)
    assert [node.op_type for node in plain.graph.node] == ["Flatten", "Gemm"]
    assert {tensor.name for tensor in plain.graph.initializer} == {"raw", "bias"}
    assert [value.name for value in plain.graph.input] == ["input"]
    onnx.checker.check_model(plain)
    assert model_bytes(model) == before


def test_it_computes_the_same_and_twice_is_once(make_model: MakeModel, convnet: onnx.ModelProto) -> None:
    image = np.random.default_rng(2).normal(size=(2, 3, 8, 8)).astype(np.float32)
    for model in (scattered_constants(make_model), convnet):
        plain = normalized(model)
        assert normalized(plain) == plain
        (expected,), (given,) = (ReferenceEvaluator(each).run(None, {"input": image}) for each in (model, plain))
        np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


def test_plain_tensors_leave_what_combines_constants(make_model: MakeModel) -> None:
    plain = with_plain_tensors(scattered_constants(make_model))
    assert [node.op_type for node in plain.graph.node] == ["Identity", "Transpose", "Flatten", "Gemm"]
    assert {tensor.name for tensor in plain.graph.initializer} == {"raw", "bias"}
