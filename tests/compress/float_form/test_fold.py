"""Folding computes the same with fewer nodes, and says only what it uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.compress.float_form.fold import folded
from compress_onnx.errors import ModelError
from compress_onnx.model.census.census import weights
from compress_onnx.model.files import model_bytes

Runner = Callable[[onnx.ModelProto, NDArray[np.float32]], NDArray[np.float32]]


def test_batch_norm_is_folded_and_the_logits_stay(
    convnet: onnx.ModelProto, images: NDArray[np.float32], run: Runner
) -> None:
    result = folded(convnet)
    assert "BatchNormalization" not in [node.op_type for node in result.graph.node]
    np.testing.assert_allclose(run(result, images), run(convnet, images), rtol=1e-5, atol=1e-5)
    assert [weight.shape for weight in weights(result)] == [weight.shape for weight in weights(convnet)]


def test_the_result_is_plain_onnx_of_the_same_opset(convnet: onnx.ModelProto) -> None:
    result = folded(convnet)
    onnx.checker.check_model(result, full_check=True)
    assert [(entry.domain, entry.version) for entry in result.opset_import] == [("", 21)]


def test_the_argument_is_untouched_and_equal_inputs_give_equal_bytes(convnet: onnx.ModelProto) -> None:
    before = model_bytes(convnet)
    first, second = folded(convnet), folded(convnet)
    assert model_bytes(convnet) == before
    assert model_bytes(first) == model_bytes(second)


def test_an_operator_set_in_use_stays_imported(make_model: Callable[..., onnx.ModelProto]) -> None:
    branch = helper.make_graph(
        [helper.make_node("Gelu", ["flat"], ["out"], domain="com.microsoft")],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("ReduceMax", ["input"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "one"], ["high"]),
        helper.make_node("If", ["high"], ["chosen"], then_branch=branch, else_branch=branch),
        helper.make_node("MatMul", ["chosen", "w"], ["logits"]),
    ]
    model = make_model(nodes, {"one": np.float32(1), "w": np.ones((192, 5), np.float32)}, domains=("com.microsoft",))
    assert [entry.domain for entry in folded(model).opset_import] == ["", "com.microsoft"]


def test_what_the_runtime_cannot_load_is_a_model_error(convnet: onnx.ModelProto, capfd: pytest.CaptureFixture) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(convnet)
    model.graph.node[0].domain = "nobody.knows"
    model.opset_import.add(domain="nobody.knows", version=1)
    with pytest.raises(ModelError, match=r"a model that ONNX Runtime loads, got .*nobody") as caught:
        folded(model)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""
