"""Layers whose numbers lie in attributes, shared tensors or odd biases become y = W x + b, and compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.compress.layers.affine_layers import affine
from compress_onnx.model.files import model_bytes
from compress_onnx.model.nodes import attribute

Array = NDArray[np.float32]
MakeModel = Callable[..., onnx.ModelProto]
Runner = Callable[[onnx.ModelProto, Array], Array]
BIASES = {"scalar": (), "one": (1,), "row": (1, 5), "one by one": (1, 1), "vector": (5,), "by image": (12, 5)}


def gemm(make_model: MakeModel, bias: tuple[int, ...], **attributes: Any) -> onnx.ModelProto:
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(5, 192) if attributes.get("transB") else (192, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"], **attributes),
    ]
    return make_model(nodes, {"w": weight, "b": np.asarray(rng.normal(size=bias), np.float32)})


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize(
    "attributes", [{}, {"alpha": 0.5}, {"beta": -2.0, "transB": 1}, {"beta": 0.0}, {"alpha": 3.0, "beta": 0.25}]
)
def test_a_gemm_becomes_a_product_and_a_vector(
    make_model: MakeModel, images: Array, run: Runner, bias: str, attributes: dict[str, float]
) -> None:
    model = gemm(make_model, BIASES[bias], **attributes)
    before = model_bytes(model)
    result = affine(model)
    np.testing.assert_allclose(run(result, images), run(model, images), rtol=1e-4, atol=1e-4)
    assert model_bytes(model) == before
    (node,) = [node for node in result.graph.node if node.op_type == "Gemm"]
    assert (attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)) == (1.0, 1.0)
    stored = {tensor.name: list(tensor.dims) for tensor in result.graph.initializer}
    assert [stored[name] for name in node.input[2:]] in ([], [[5]])


def test_a_turned_input_is_a_transpose(make_model: MakeModel, run: Runner) -> None:
    nodes = [
        helper.make_node("Reshape", ["input", "shape"], ["turned"]),
        helper.make_node("Gemm", ["turned", "w"], ["logits"], transA=1),
    ]
    weight = np.random.default_rng(4).normal(size=(192, 5)).astype(np.float32)
    model = make_model(nodes, {"w": weight, "shape": np.array([192, -1])})
    image = np.random.default_rng(5).normal(size=(1, 3, 8, 8)).astype(np.float32)
    result = affine(model)
    assert [node.op_type for node in result.graph.node] == ["Reshape", "Transpose", "Gemm"]
    np.testing.assert_allclose(run(result, image), image.reshape(1, 192) @ weight, rtol=1e-4, atol=1e-4)


def test_what_two_layers_share_each_has_alone(make_model: MakeModel, images: Array, run: Runner) -> None:
    rng = np.random.default_rng(6)
    nodes = [
        helper.make_node("Conv", ["input", "k", "b"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "k", "b"], ["c"], pads=[1] * 4),
        helper.make_node("Flatten", ["c"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["logits"]),
    ]
    shapes = {"k": (3, 3, 3, 3), "b": (3,), "m": (192, 5)}
    model = make_model(nodes, {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
    result = affine(model)
    first, second = (node for node in result.graph.node if node.op_type == "Conv")
    assert first.input[1] == second.input[1] == "k"
    assert first.input[2] != second.input[2]
    assert len({node.name for node in result.graph.node}) == len(result.graph.node)
    np.testing.assert_allclose(run(result, images), run(model, images), rtol=1e-5, atol=1e-5)
