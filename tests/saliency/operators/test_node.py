"""What a converter sees of a node: constants held exactly, and axes of any opset."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

torch = pytest.importorskip("torch")
from compress_onnx.saliency.operators.node import stored, torch_type  # noqa: E402
from tests.saliency.windows import assert_like_runtime, pooled  # noqa: E402


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_axes_are_an_attribute_in_older_opsets_and_an_input_in_newer_ones(runtime: Any, opset: int) -> None:
    model = pooled("ReduceMean", (4, 4), {"axes": [2], "keepdims": 0} if opset < 18 else {"keepdims": 0})
    if opset >= 18:
        model.graph.node[0].input.append("axes")
        model.graph.initializer.append(numpy_helper.from_array(np.array([2]), "axes"))
    model.opset_import[0].version = opset
    assert_like_runtime(model, runtime, (4, 4))


@pytest.mark.parametrize(
    ("element", "values"),
    [("INT4", [-8, 7]), ("UINT4", [0, 15]), ("UINT16", [0, 65535]), ("UINT32", [0, 2**32 - 1]), ("INT64", [-1, 2**40])],
)
def test_stored_values_are_held_exactly(element: str, values: list[int]) -> None:
    tensor = helper.make_tensor("t", onnx.TensorProto.DataType.Value(element), [2], values)
    found = stored(tensor)
    assert found is not None
    assert found.tensor.tolist() == values


def test_types_without_counterpart_are_known_to_have_none() -> None:
    assert torch_type(onnx.TensorProto.FLOAT8E4M3FN) is None


def test_a_tensor_can_be_changed_without_changing_the_file() -> None:
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "t")
    found = stored(tensor)
    assert found is not None
    found.tensor.zero_()
    assert numpy_helper.to_array(tensor).tolist() == [1, 1]
