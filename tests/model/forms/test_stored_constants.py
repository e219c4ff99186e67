"""What weights are made of by constant nodes is stored as one tensor; the model computes what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.forms.stored_constants import with_stored_constants

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(3)
FLAT = helper.make_node("Flatten", ["input"], ["f"])
IMAGES = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)


def _logits(model: onnx.ModelProto) -> NDArray[Any]:
    return np.asarray(ReferenceEvaluator(model).run(None, {"input": IMAGES})[0])


def _stored(model: onnx.ModelProto) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}


def _ops(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("nodes", "shape", "extra"),
    [
        ([helper.make_node("Transpose", ["w"], ["m"], perm=[1, 0])], (5, 192), {}),
        ([helper.make_node("Reshape", ["w", "s"], ["m"])], (5 * 192,), {"s": np.array([192, 5])}),
        ([helper.make_node("Mul", ["w", "s"], ["m"])], (192, 5), {"s": np.float32(0.5)}),
        (
            [
                helper.make_node("Cast", ["w"], ["c"], to=onnx.TensorProto.FLOAT16),
                helper.make_node("Cast", ["c"], ["m"], to=1),
            ],
            (192, 5),
            {},
        ),
    ],
    ids=["turned", "reshaped", "scaled", "cast"],
)
def test_a_weight_behind_constant_nodes_is_stored_and_the_nodes_go(
    nodes: list[onnx.NodeProto], shape: tuple[int, ...], extra: dict[str, Any], make_model: MakeModel
) -> None:
    weight = RNG.normal(size=shape).astype(np.float32)
    model = make_model([*nodes, FLAT, helper.make_node("MatMul", ["f", "m"], ["logits"])], {"w": weight, **extra})
    before = _logits(model)
    with_stored_constants(model)
    assert _ops(model) == ["Flatten", "MatMul"]
    # The one tensor that it was made of gives it its name.
    assert _stored(model) == {"w"}
    np.testing.assert_array_equal(_logits(model), before)


def test_one_tensor_that_two_layers_read_stays_one(make_model: MakeModel) -> None:
    weight = RNG.normal(size=(192, 192)).astype(np.float32)
    head = RNG.normal(size=(192, 5)).astype(np.float32)
    nodes = [
        FLAT,
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["f", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "t"], ["b"]),
        helper.make_node("MatMul", ["b", "head"], ["logits"]),
    ]
    model = make_model(nodes, {"w": weight, "head": head})
    before = _logits(model)
    with_stored_constants(model)
    assert _stored(model) == {"w", "head"}
    assert "Transpose" in _ops(model)
    np.testing.assert_array_equal(_logits(model), before)


def test_what_only_repeats_a_small_tensor_is_not_stored_large(make_model: MakeModel) -> None:
    row = RNG.normal(size=(1, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Expand", ["row", "s"], ["m"]),
        FLAT,
        helper.make_node("MatMul", ["f", "m"], ["logits"]),
    ]
    model = make_model(nodes, {"row": row, "s": np.array([192, 5])})
    before = _logits(model)
    with_stored_constants(model)
    assert sum(tensor.ByteSize() for tensor in model.graph.initializer) < 192 * 5 * 4
    np.testing.assert_array_equal(_logits(model), before)


def test_quantized_weights_are_left_as_they_are_stored(make_model: MakeModel) -> None:
    weight = RNG.integers(-127, 127, (192, 5)).astype(np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["m"]),
        FLAT,
        helper.make_node("MatMul", ["f", "m"], ["logits"]),
    ]
    model = make_model(nodes, {"w": weight, "s": np.float32(0.1), "z": np.int8(0)})
    before = model.SerializeToString(deterministic=True)
    with_stored_constants(model)
    assert model.SerializeToString(deterministic=True) == before
