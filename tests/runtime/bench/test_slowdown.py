from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.records.artifacts import FloatNode, FusionReceipt
from compress_onnx.runtime.bench.slowdown import batch_norms, slowdown_reasons

FUSED = FusionReceipt(quantized_nodes=1, float_nodes=(), stray_qdq=0, int8_fraction=1.0)
FLOAT = FusionReceipt(quantized_nodes=0, float_nodes=(), stray_qdq=0, int8_fraction=0.0)


def model(weight: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weight.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weight.shape[1]])],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def quantized(kind: int, *, cast: bool) -> onnx.ModelProto:
    stored = helper.make_tensor("q", kind, [2, 2], [1, 2, 3, 4])
    wide = [helper.make_node("Cast", ["q"], ["q8"], to=TensorProto.INT8)] if cast else []
    nodes = [*wide, helper.make_node("DequantizeLinear", ["q8" if cast else "q", "s"], ["w"])]
    graph = helper.make_graph(
        [*nodes, helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [stored, numpy_helper.from_array(np.float32(0.5).reshape(()), "s")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def test_a_float_model_is_told_to_be_float() -> None:
    (sentence,) = slowdown_reasons(model(np.ones((2, 2), np.float32)), FLOAT)
    assert "floating point" in sentence


def test_zeros_are_said_to_buy_nothing() -> None:
    pruned = np.eye(4, dtype=np.float32)
    assert any("75% of the weights are zero" in sentence for sentence in slowdown_reasons(model(pruned), FLOAT))


@pytest.mark.parametrize("cast", [True, False])
def test_plain_four_bits_are_told_of_widening_and_widened_ones_are_not(*, cast: bool) -> None:
    found = slowdown_reasons(quantized(TensorProto.INT4, cast=cast), FUSED)
    assert any("--widen" in sentence for sentence in found) is not cast


def test_a_fused_file_has_nothing_to_explain() -> None:
    assert slowdown_reasons(quantized(TensorProto.INT8, cast=False), FUSED) == ()


def test_the_commonest_reason_of_float_nodes_is_named() -> None:
    nodes = tuple(FloatNode(op="Conv", name=str(i), reason="rare" if i == 0 else "common") for i in range(3))
    receipt = FusionReceipt(quantized_nodes=0, float_nodes=nodes, stray_qdq=2, int8_fraction=0.0)
    text = " ".join(slowdown_reasons(quantized(TensorProto.INT8, cast=False), receipt))
    assert "3 nodes run in floating point, 2 of them because: common." in text
    assert "2 QuantizeLinear and DequantizeLinear nodes were left over" in text


def test_batch_norms_are_counted() -> None:
    assert batch_norms(model(np.ones((2, 2), np.float32))) == 0
