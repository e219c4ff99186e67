"""Widths of weights and activations have one name, whichever operators hold them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compress_onnx.model.census.census import is_quantized, weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.records.artifacts import Precision

RNG = np.random.default_rng(3)
INT8 = RNG.integers(-3, 4, (192, 5)).astype(np.int8)


def test_a_graph_of_both_widths_says_their_shares(make_model: Callable[..., onnx.ModelProto]) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["real"]),
        helper.make_node("Conv", ["input", "real"], ["c"], pads=[1] * 4),
        helper.make_node("Flatten", ["c"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["logits"]),
    ]
    tensors = {"w": INT8[:9].reshape(3, 3, 5, 1)[:, :, :3], "scale": np.ones((), np.float32)}
    assert (
        precision_of(make_model(nodes, tensors | {"m": np.ones((192, 5), np.float32)})) == "W8 (weight only) in 1 of 2"
    )


def test_half_precision_weights_behind_a_cast_keep_their_stored_width(
    make_model: Callable[..., onnx.ModelProto],
) -> None:
    nodes = [
        helper.make_node("Cast", ["w"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "real"], ["logits"]),
    ]
    assert weights(make_model(nodes, {"w": INT8.astype(np.float16)}))[0].bits == 16


@pytest.mark.parametrize(
    "op", ["DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "QLinearConv", "QuantizeLinear"]
)
def test_every_integer_operator_marks_a_quantized_graph(op: str) -> None:
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "g", [], [])
    assert is_quantized(helper.make_model(graph))


@pytest.mark.parametrize("name", ["W8A16", "W4 (weight only)", "W8A8 dynamic", "W8A8 in 14 of 20", "fp16", "WF8AF8"])
def test_precisions_of_any_form_are_values(name: str) -> None:
    assert Precision(name) == name
    assert [*Precision] == ["fp32", "w8a8", "w4a8", "mixed"]


@pytest.mark.parametrize("name", ["fp8", "W8A8 in", "w8a16", "W8A8 in 3 of 4,", ""])
def test_other_words_are_no_precision(name: str) -> None:
    with pytest.raises(ValueError, match="valid Precision"):
        Precision(name)
