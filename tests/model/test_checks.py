"""Files whose nodes stand in another order than they run in: ONNX Runtime takes them, and so do we."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.model.checks import put_in_order
from compress_onnx.model.files import load_model

MakeModel = Callable[..., onnx.ModelProto]


def shuffled(nodes: list[onnx.NodeProto], seed: int) -> list[onnx.NodeProto]:
    return [nodes[place] for place in np.random.default_rng(seed).permutation(len(nodes))]


def reordered(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(shuffled(list(model.graph.node), seed))
    return copy


def answer(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0])


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_the_nodes_is_read_as_what_it_computes(
    convnet: onnx.ModelProto, tmp_path: Path, seed: int
) -> None:
    onnx.save(reordered(convnet, seed), tmp_path / "m.onnx")
    found = load_model(tmp_path / "m.onnx")
    onnx.checker.check_model(found)
    shape = [dim.dim_value or 3 for dim in convnet.graph.input[0].type.tensor_type.shape.dim]
    images = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(answer(found, images), answer(convnet, images))


def test_what_is_in_order_keeps_its_order(convnet: onnx.ModelProto) -> None:
    copy = onnx.ModelProto()
    copy.CopyFrom(convnet)
    put_in_order(copy)
    assert copy == convnet


def branching(seed: int) -> onnx.ModelProto:
    """An If before what its branches read, and branches out of order."""

    def branch(name: str, factor: float) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Mul", ["doubled", f"{name}_factor"], [f"{name}_a"]),
            helper.make_node("Relu", [f"{name}_a"], [f"{name}_b"]),
            helper.make_node("Neg", [f"{name}_b"], [f"{name}_c"]),
        ]
        output = helper.make_tensor_value_info(f"{name}_c", TensorProto.FLOAT, None)
        stored = numpy_helper.from_array(np.float32(factor), f"{name}_factor")
        return helper.make_graph(shuffled(nodes, seed), name, [], [output], [stored])

    nodes = [
        helper.make_node("If", ["positive"], ["logits"], then_branch=branch("yes", 2), else_branch=branch("no", -3)),
        helper.make_node("Greater", ["most", "zero"], ["positive"]),
        helper.make_node("ReduceMax", ["doubled"], ["most"], keepdims=0),
        helper.make_node("Add", ["input", "input"], ["doubled"]),
    ]
    graph = helper.make_graph(
        nodes,
        "branching",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(np.float32(0), "zero")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("seed", range(3))
def test_what_branches_read_is_made_before_them(tmp_path: Path, seed: int) -> None:
    onnx.save(branching(seed), tmp_path / "m.onnx")
    found = load_model(tmp_path / "m.onnx")
    rows = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_array_equal(answer(found, rows), -np.maximum(rows * 4, 0))
    np.testing.assert_array_equal(answer(found, -np.abs(rows)), -6 * np.abs(rows))


def test_a_circle_is_said_in_one_sentence(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    copy = onnx.ModelProto()
    copy.CopyFrom(convnet)
    copy.graph.node[0].input[0] = copy.graph.node[-1].output[0]
    onnx.save(copy, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="topologically sorted"):
        load_model(tmp_path / "m.onnx")


def test_the_runtimes_own_converter_to_float16_is_read(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(convnet)
    onnx.save(convert_float_to_float16(copy, keep_io_types=True), tmp_path / "half.onnx")
    assert load_model(tmp_path / "half.onnx").graph.node[0].op_type == "Cast"
