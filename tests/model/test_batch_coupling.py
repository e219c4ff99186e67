"""Operators that look across images are found, and those that keep images apart are not taken for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compress_onnx.model.batch_coupling import across_images, random_nodes

Node = onnx.NodeProto


def node(op: str, inputs: str, output: str, **attributes: Any) -> Node:
    return helper.make_node(op, inputs.split(), output.split(), name=output.split(maxsplit=1)[0], **attributes)


def tail(features: str) -> list[Node]:
    return [node("Flatten", features, "flat"), node("Gemm", "flat head", "logits", transB=1)]


HEAD = np.zeros((5, 192), np.float32)
TENSORS: dict[str, Any] = {
    "head": HEAD,
    "first": np.array([0]),
    "last": np.array([3]),
    "middle": np.array([1]),
    "all": np.array([0, 2, 3]),
    "turned": np.array([0, -1, 3, 8]),
    "zero": np.array([0]),
    "far": np.array([2**62]),
    "two": np.array([2]),
    "vector": np.ones(3, np.float32),
}
APART = {
    "spatial mean": [node("ReduceMean", "input last", "m", keepdims=1), node("Sub", "input m", "s"), *tail("s")],
    "softmax over channels": [node("Softmax", "input", "s", axis=1), *tail("s")],
    "whole slice": [node("Slice", "input zero far zero", "s"), *tail("s")],
    "channels joined": [
        node("Split", "input", "a b", axis=2, num_outputs=2),
        node("Concat", "a b", "s", axis=2),
        *tail("s"),
    ],
    "norm in use": [node("BatchNormalization", "input vector vector vector vector", "s"), *tail("s")],
    "batch moved and back": [
        node("Transpose", "input", "t", perm=[1, 0, 2, 3]),
        node("Softmax", "t", "u", axis=0),
        node("Transpose", "u", "s", perm=[1, 0, 2, 3]),
        *tail("s"),
    ],
    "count": [
        node("Shape", "input", "shape"),
        node("ReduceProd", "shape", "size", keepdims=0),
        node("Cast", "size", "number", to=TensorProto.FLOAT),
        node("Div", "input number", "s"),
        *tail("s"),
    ],
    "unused": [node("DynamicQuantizeLinear", "input", "q scale point"), *tail("input")],
    "constant": [
        node("DynamicQuantizeLinear", "vector", "q scale point"),
        node("Mul", "input scale", "s"),
        *tail("s"),
    ],
}
ACROSS = {
    "ReduceMean": [node("ReduceMean", "input all", "m"), node("Sub", "input m", "s"), *tail("s")],
    "ReduceMax": [node("ReduceMax", "input", "m", keepdims=0), node("Div", "input m", "s"), *tail("s")],
    "DynamicQuantizeLinear": [
        node("DynamicQuantizeLinear", "input", "q scale point"),
        node("DequantizeLinear", "q scale point", "s"),
        *tail("s"),
    ],
    "Softmax": [
        node("Transpose", "input", "t", perm=[1, 2, 3, 0]),
        node("Softmax", "t", "u"),
        node("Transpose", "u", "s", perm=[3, 0, 1, 2]),
        *tail("s"),
    ],
    "TopK": [node("TopK", "input middle", "v i", axis=0), node("Sub", "input v", "s"), *tail("s")],
    "MeanVarianceNormalization": [node("MeanVarianceNormalization", "input", "s"), *tail("s")],
    "Einsum": [
        *tail("input")[:1],
        node("Einsum", "flat flat", "g", equation="nd,ne->de"),
        node("MatMul", "flat g", "s"),
        node("Gemm", "s head", "logits", transB=1),
    ],
    "BatchNormalization": [
        node("BatchNormalization", "input vector vector vector vector", "s mean variance", training_mode=1),
        *tail("s"),
    ],
}


@pytest.mark.parametrize("case", APART)
def test_what_keeps_images_apart_is_not_named(make_model: Any, case: str) -> None:
    assert across_images(make_model(APART[case], TENSORS)) == ()


@pytest.mark.parametrize("fixed", ["n", 4])
@pytest.mark.parametrize("op", ACROSS)
def test_what_looks_across_images_is_named(make_model: Any, op: str, fixed: int | str) -> None:
    found = across_images(make_model(ACROSS[op], TENSORS, batch=fixed))
    assert [one.op for one in found if one.certain][:1] == [op]


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Slice", "input zero two zero", "a"), node("Sub", "input a", "s"), *tail("s")],
        [node("Gather", "input first", "a"), node("Sub", "input a", "s"), *tail("s")],
        [node("Concat", "input input", "a", axis=0), node("Slice", "a zero two zero", "s"), *tail("s")],
    ],
)
def test_what_only_moves_images_leaves_a_doubt(make_model: Any, nodes: list[Node]) -> None:
    found = across_images(make_model(nodes, TENSORS))
    assert found
    assert not any(one.certain for one in found)


def test_softmax_of_old_opsets_flattens_what_lies_behind(make_model: Any) -> None:
    nodes = [node("Softmax", "input", "s", axis=0), *tail("s")]
    assert [one.op for one in across_images(make_model(nodes, TENSORS, opset=11))] == ["Softmax"]
    nodes = [node("Softmax", "input", "s", axis=1), *tail("s")]
    assert across_images(make_model(nodes, TENSORS, opset=11)) == ()


def test_functions_and_branches_are_looked_into(make_model: Any) -> None:
    whole = onnx.ModelProto()
    whole.CopyFrom(make_model([node("Identity", "input", "s"), *tail("s")], TENSORS))
    inner = [helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0), helper.make_node("Div", ["x", "m"], ["y"])]
    function = helper.make_function("own", "Scaled", ["x"], ["y"], inner, [helper.make_opsetid("", 21)])
    whole.functions.append(function)
    whole.opset_import.append(helper.make_opsetid("own", 1))
    whole.graph.node[0].CopyFrom(helper.make_node("Scaled", ["input"], ["s"], domain="own"))
    assert [one.op for one in across_images(whole)] == ["ReduceMax"]
    value = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    branches = [
        helper.make_graph(
            [node("DynamicQuantizeLinear", "input", "q c p"), node("DequantizeLinear", "q c p", "b")],
            "yes",
            [],
            [value],
        ),
        helper.make_graph([helper.make_node("Identity", ["input"], ["b"])], "no", [], [value]),
    ]
    chosen = helper.make_node("If", ["on"], ["s"], then_branch=branches[0], else_branch=branches[1])
    model = make_model([chosen, *tail("s")], {**TENSORS, "on": np.bool_(1)})
    assert [one.op for one in across_images(model)] == ["DynamicQuantizeLinear"]


def test_what_draws_at_random_is_named_where_the_output_needs_it(make_model: Any) -> None:
    noisy = [node("RandomNormal", "", "noise", shape=[1, 3, 8, 8]), node("Add", "input noise", "s"), *tail("s")]
    assert random_nodes(make_model(noisy, TENSORS)) == ("RandomNormal 'noise'",)
    assert random_nodes(make_model([noisy[0], *tail("input")], TENSORS)) == ()
    off = [helper.make_node("Dropout", ["input"], ["s"]), *tail("s")]
    assert random_nodes(make_model(off, TENSORS)) == ()


def test_the_model_is_not_changed(convnet: onnx.ModelProto) -> None:
    before = convnet.SerializeToString()
    assert across_images(convnet) == ()
    assert convnet.SerializeToString() == before


@pytest.mark.parametrize(
    ("target", "axis", "across"), [([1, -1], 1, True), ([-1, 192], 1, False), ([-1, 192], 0, True), ([-1], 0, True)]
)
def test_a_constant_shape_puts_images_along_its_free_axis(
    make_model: Any, target: list[int], axis: int, *, across: bool
) -> None:
    nodes = [
        node("Reshape", "input target", "r"),
        node("ReduceMean", "r axis", "m", keepdims=1),
        node("Sub", "r m", "s"),
        node("Reshape", "s back", "b"),
        *tail("b"),
    ]
    tensors = TENSORS | {"target": np.array(target), "axis": np.array([axis]), "back": np.array([-1, 3, 8, 8])}
    found = across_images(make_model(nodes, tensors))
    assert [one.node for one in found] == (["m"] if across else [])


def test_where_the_batch_is_a_number_a_free_axis_may_be_another(make_model: Any) -> None:
    nodes = [
        node("Reshape", "input target", "r"),
        node("ReduceMean", "r axis", "m", keepdims=1),
        node("Sub", "r m", "s"),
        *tail("s"),
    ]
    tensors = TENSORS | {"target": np.array([4, -1]), "axis": np.array([1])}
    assert not list(across_images(make_model(nodes, tensors, batch=4)))
