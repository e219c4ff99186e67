"""Tensors of a model, tapped and run, against what its nodes compute in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.ort.tensors import free_batch, tapped, tensor_runner

WEIGHTS = np.random.default_rng(3).normal(size=(4, 2)).astype(np.float32)


@pytest.fixture
def chain() -> onnx.ModelProto:
    """``y = relu(x @ w) + 1`` for one row a call."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Relu", ["product"], ["positive"]),
        helper.make_node("Add", ["positive", "one"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(WEIGHTS, "w"), numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_tapped_tensors_are_those_that_the_nodes_make(chain: onnx.ModelProto) -> None:
    rows = np.random.default_rng(4).normal(size=(1, 4)).astype(np.float32)
    before = chain.SerializeToString(deterministic=True)
    product, positive = tensor_runner(tapped(chain, ["product", "positive"]), ["product", "positive"])(rows)
    np.testing.assert_allclose(product, rows @ WEIGHTS, rtol=1e-5)
    np.testing.assert_array_equal(positive, np.maximum(product, 0))
    assert chain.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("n", [1, 2, 7])
def test_any_number_of_rows_goes_through_a_file_that_was_fixed_to_one(chain: onnx.ModelProto, n: int) -> None:
    rows: NDArray[np.float32] = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
    (outputs,) = tensor_runner(free_batch(chain), ["y"])(rows)
    np.testing.assert_allclose(outputs, np.maximum(rows @ WEIGHTS, 0) + 1, rtol=1e-5)
    with pytest.raises(ModelError, match="a model that runs on batches of calibration images, got its answer"):
        tensor_runner(chain, ["y"])(rows[:, :2])


def test_what_cannot_be_loaded_is_said(chain: onnx.ModelProto, tmp_path: Path) -> None:
    chain.graph.node[1].op_type = "Nonsense"
    with pytest.raises(ModelError, match=r"a model that runs on batches of calibration images.*Nonsense.*\(repair\)"):
        tensor_runner(chain, ["y"])
