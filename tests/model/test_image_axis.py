"""Axes that are said to run over images are those that grow with the batch when the model runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.image_axis import ImageAxis

MakeModel = Callable[..., onnx.ModelProto]
# Primes that no other size is.
BATCHES = (11, 23)
RNG = np.random.default_rng(4)


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


TAIL = [node("Flatten", "s", "flat"), node("MatMul", "flat head", "logits")]
TENSORS: dict[str, Any] = {
    "head": RNG.normal(size=(192, 5)).astype(np.float32),
    "kernel": RNG.normal(size=(3, 3, 1, 1)).astype(np.float32),
    "tokens": np.array([0, 3, 64]),
    "merged": np.array([-1, 64]),
    "split": np.array([-1, 3, 8, 8]),
    "zero": np.array([0]),
}
GRAPHS: dict[str, list[onnx.NodeProto]] = {
    "convolution": [node("Conv", "input kernel", "c"), node("Relu", "c", "s"), *TAIL],
    "batch last and back": [
        node("Transpose", "input", "t", perm=[1, 2, 3, 0]),
        node("Softmax", "t", "u"),
        node("Transpose", "u", "s", perm=[3, 0, 1, 2]),
        *TAIL,
    ],
    "tokens": [
        node("Reshape", "input tokens", "x"),
        node("Transpose", "x", "y", perm=[2, 0, 1]),
        node("Transpose", "y", "z", perm=[1, 2, 0]),
        node("Reshape", "z split", "s"),
        *TAIL,
    ],
    "images and channels in one axis": [
        node("Reshape", "input merged", "m"),
        node("Relu", "m", "n"),
        node("Reshape", "n split", "s"),
        *TAIL,
    ],
    "mean over all": [node("ReduceMean", "input zero", "m"), node("Sub", "input m", "s"), *TAIL],
    "sizes": [
        node("Shape", "input", "shape"),
        node("Gather", "shape zero", "count"),
        node("ConstantOfShape", "count", "ones"),
        node("Reshape", "input split", "s"),
        *TAIL,
    ],
}


def grown(model: onnx.ModelProto) -> dict[str, tuple[int, frozenset[int]]]:
    """Return rank and axes that another batch makes longer, of every tensor that the reference computes."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    names = [name for one in model.graph.node for name in one.output]
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    runs = [ReferenceEvaluator(shown).run(None, {"input": np.ones((n, 3, 8, 8), np.float32)}) for n in BATCHES]
    return {
        name: (few.ndim, frozenset(axis for axis in range(few.ndim) if few.shape[axis] != many.shape[axis]))
        for name, few, many in zip(names, *runs, strict=True)
    }


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("batch", ["batch", 0])
def test_axes_are_those_that_grow_with_the_batch(make_model: MakeModel, name: str, batch: int | str) -> None:
    model = make_model(GRAPHS[name], TENSORS, batch=batch)
    axis = ImageAxis(model)
    assert axis.axes("input") == frozenset({0})
    for tensor, (rank, axes) in grown(make_model(GRAPHS[name], TENSORS)).items():
        assert (axis.rank(tensor), axis.axes(tensor)) == (rank, axes), tensor


def test_in_a_fixed_batch_a_written_size_is_no_sign_of_images(make_model: MakeModel) -> None:
    axis = ImageAxis(make_model(GRAPHS["images and channels in one axis"], TENSORS, batch=4))
    assert axis.axes("input") == frozenset({0})
    assert axis.axes("m") == frozenset()
    assert ImageAxis(make_model(GRAPHS["convolution"], TENSORS, batch=4)).axes("s") == frozenset({0})


def test_what_comes_from_the_pictures_carries_them_but_not_what_only_tells_their_size(make_model: MakeModel) -> None:
    axis = ImageAxis(make_model(GRAPHS["sizes"], TENSORS))
    assert {
        name for name in ("input", "shape", "count", "ones", "s", "flat", "logits", "head") if axis.carries(name)
    } == {
        "input",
        "s",
        "flat",
        "logits",
    }
    assert [one.op_type for one in axis.nodes()] == ["Shape", "Reshape", "Flatten", "MatMul"][1:]


def test_nodes_that_the_output_does_not_need_are_left_out(make_model: MakeModel) -> None:
    axis = ImageAxis(make_model([node("Relu", "input", "unused"), *GRAPHS["mean over all"]], TENSORS))
    assert [one.output[0] for one in axis.needed()] == ["m", "s", "flat", "logits"]
    model = make_model(GRAPHS["mean over all"], TENSORS)
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, None))
    model.graph.node.append(node("Relu", "input", "more"))
    assert [one.output[0] for one in ImageAxis(model).needed()] == ["m", "s", "flat", "logits"]


def branch(name: str, op: str) -> onnx.GraphProto:
    out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
    return helper.make_graph([node(op, "input", out.name)], name, [], [out])


def test_branches_are_looked_into(make_model: MakeModel) -> None:
    choice = node("If", "yes", "s", then_branch=branch("then", "Relu"), else_branch=branch("else", "Abs"))
    model = make_model([choice, *TAIL], {**TENSORS, "yes": np.array([True])})
    axis = ImageAxis(model)
    assert {one.op_type for one in axis.nodes()} >= {"Relu", "Abs", "Flatten", "MatMul"}
    assert axis.carries("then_out")
    assert axis.carries("s")
    assert axis.axes("else_out") == frozenset({0})
    assert axis.flag("yes") is True


def test_functions_are_looked_into(make_model: MakeModel) -> None:
    model = make_model([node("Relu", "input", "s"), *TAIL], TENSORS, domains=("own",))
    body = [node("Transpose", "x", "t", perm=[1, 0, 2, 3]), node("Transpose", "t", "y", perm=[1, 0, 2, 3])]
    model.functions.append(helper.make_function("own", "Turn", ["x"], ["y"], body, [helper.make_opsetid("", 21)]))
    model.graph.node[0].CopyFrom(helper.make_node("Turn", ["input"], ["s"], domain="own"))
    turned, *_ = ImageAxis(model).nodes()
    assert turned.op_type == "Transpose"
    assert ImageAxis(model).axes(turned.output[0]) == frozenset({1})


def test_small_constants_are_known_and_large_ones_are_not_looked_at(make_model: MakeModel) -> None:
    nodes = [
        node("Constant", "", "listed", value_ints=[3, 1]),
        node("Constant", "", "scalar", value=numpy_helper.from_array(np.array(7))),
        node("Constant", "", "off", value=numpy_helper.from_array(np.array(False))),  # noqa: FBT003  # a tensor
        node("Constant", "", "many", value=numpy_helper.from_array(np.arange(2000))),
        *GRAPHS["convolution"],
    ]
    nodes[0].input[:], nodes[1].input[:] = [], []
    axis = ImageAxis(make_model(nodes, {**TENSORS, "large": np.arange(2000)}))
    found = {name: axis.constant(name) for name in ("split", "listed", "scalar", "many", "large", "input", "none")}
    assert found == {
        "split": [-1, 3, 8, 8],
        "listed": [3, 1],
        "scalar": [7],
        "many": None,
        "large": None,
        "input": None,
        "none": None,
    }
    assert (axis.flag("off"), axis.flag("scalar"), axis.flag("input")) == (False, True, None)


def test_a_shape_that_cannot_be_followed_is_not_guessed(make_model: MakeModel) -> None:
    nodes = [helper.make_node("Unknown", ["input"], ["s"], domain="own"), *TAIL]
    axis = ImageAxis(make_model(nodes, TENSORS, domains=("own",)))
    assert (axis.axes("s"), axis.rank("s"), axis.carries("s")) == (None, None, True)


def test_a_graph_that_inference_refuses_is_still_a_graph(make_model: MakeModel) -> None:
    model = make_model(GRAPHS["convolution"], TENSORS)
    kernel = numpy_helper.from_array(np.ones((3, 5, 1, 1), np.float32), "kernel")
    next(tensor for tensor in model.graph.initializer if tensor.name == "kernel").CopyFrom(kernel)
    model.graph.node[0].input[1] = "zero"
    axis = ImageAxis(model)
    assert [one.op_type for one in axis.nodes()] == ["Conv", "Relu", "Flatten", "MatMul"]
    assert axis.axes("input") == frozenset({0})


def test_the_model_is_not_written_to(convnet: onnx.ModelProto) -> None:
    before = convnet.SerializeToString(deterministic=True)
    axis = ImageAxis(convnet)
    assert (axis.opset, len(list(axis.nodes()))) == (21, 8)
    assert convnet.SerializeToString(deterministic=True) == before
