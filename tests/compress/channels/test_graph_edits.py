"""Channels that are cut out: what is left computes what the whole did with those channels at zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.channels.graph_edits import cut, prepared
from compress_onnx.compress.channels.rules import followed
from compress_onnx.model.files import model_bytes

MakeModel = Callable[..., onnx.ModelProto]
MakeNode = Callable[..., onnx.NodeProto]
Runner = Callable[[onnx.ModelProto, NDArray[np.float32]], NDArray[np.float32]]
Arrays = dict[str, Any]
RNG = np.random.default_rng(12)


def normal(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def arrays(model: onnx.ModelProto) -> Arrays:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.fixture
def model(make_model: MakeModel, node: MakeNode) -> onnx.ModelProto:
    """Two convolutions that meet, a depthwise one, and a reshape whose constant counts columns."""
    nodes = [
        node("Conv", "input w b", "c", pads=[1] * 4),
        node("Conv", "input v b2", "d", pads=[1] * 4),
        node("Add", "c d", "s"),
        node("Relu", "s", "r"),
        node("Conv", "r deep", "e", group=6, pads=[1] * 4),
        node("MaxPool", "e", "p", kernel_shape=[4, 4], strides=[4, 4]),
        node("Reshape", "p rows", "f"),
        node("Gemm", "f m", "logits", transB=1),
    ]
    shapes = {"w": (6, 3, 3, 3), "v": (6, 3, 3, 3), "b": (6,), "b2": (6,), "deep": (6, 1, 3, 3), "m": (5, 24)}
    return make_model(nodes, {**{name: normal(*shape) for name, shape in shapes.items()}, "rows": np.array([-1, 24])})


def without(model: onnx.ModelProto, places: Iterable[int]) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return the model with these channels of w at zero, and with them cut out."""
    places = list(places)
    zeroed, smaller = onnx.ModelProto(), onnx.ModelProto()
    zeroed.CopyFrom(model)
    for tensor in zeroed.graph.initializer:
        if tensor.name in {"w", "v", "b", "b2", "deep"}:
            values = numpy_helper.to_array(tensor).copy()
            values[places] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    smaller.CopyFrom(model)
    flow = followed(smaller)
    cut(smaller, flow, {int(flow.channels.classes(flow.axes["w", 0])[place]) for place in places})
    return zeroed, smaller


@pytest.mark.parametrize("places", [[], [0], [5], [1, 2, 4], [0, 1, 2, 3, 4]], ids=str)
def test_what_is_left_computes_what_the_whole_did_without_those_channels(
    model: onnx.ModelProto, images: NDArray[np.float32], run: Runner, places: list[int]
) -> None:
    zeroed, smaller = without(model, places)
    onnx.checker.check_model(smaller, full_check=True)
    left = 6 - len(places)
    shapes = {name: values.shape for name, values in arrays(smaller).items()}
    assert shapes["w"] == shapes["v"] == (left, 3, 3, 3)
    assert (shapes["b"], shapes["deep"], shapes["m"]) == ((left,), (left, 1, 3, 3), (5, 4 * left))
    assert arrays(smaller)["rows"].tolist() == [-1, 4 * left]
    groups = [entry.i for node in smaller.graph.node for entry in node.attribute if entry.name == "group"]
    assert groups == [left]
    np.testing.assert_allclose(run(smaller, images), run(zeroed, images), rtol=1e-4, atol=1e-4)


def test_shapes_are_inferred_anew_only_where_the_file_had_some(model: onnx.ModelProto) -> None:
    assert not without(model, [1])[1].graph.value_info
    model.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ["batch", 6, 8, 8]))
    _, smaller = without(model, [1, 3])
    known = {value.name: value.type.tensor_type.shape.dim for value in smaller.graph.value_info}
    assert [dim.dim_value for dim in known["c"][1:]] == [4, 8, 8]
    assert [dim.dim_value for dim in known["p"][1:]] == [4, 2, 2]


def test_initializers_that_are_listed_as_inputs_keep_their_shapes_right(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("v", TensorProto.FLOAT, [6, 3, 3, 3]))
    _, smaller = without(model, [0, 5])
    onnx.checker.check_model(smaller, full_check=True)
    assert [dim.dim_value for dim in smaller.graph.input[1].type.tensor_type.shape.dim] == [4, 3, 3, 3]


@pytest.fixture
def sharing(make_model: MakeModel, node: MakeNode) -> onnx.ModelProto:
    """Two convolutions with one bias, whose new names are taken already in part, and one weight."""
    nodes = [
        node("Conv", "input w b", "c", pads=[1] * 4),
        node("Conv", "c k b", "b.1", pads=[1] * 4),
        node("Conv", "b.1 k own", "d", pads=[1] * 4),
        node("GlobalAveragePool", "d", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f m", "logits"),
    ]
    shapes = {"w": (4, 3, 3, 3), "k": (4, 4, 3, 3), "b": (4,), "own": (4,), "m": (4, 5)}
    return make_model(nodes, {name: normal(*shape) for name, shape in shapes.items()})


def test_nodes_that_share_a_vector_get_their_own_and_weights_stay_one(
    sharing: onnx.ModelProto, images: NDArray[np.float32], run: Runner
) -> None:
    before = model_bytes(sharing)
    found = prepared(sharing)
    onnx.checker.check_model(found, full_check=True)
    assert model_bytes(sharing) == before
    biases = [node.input[2] for node in found.graph.node if node.op_type == "Conv"]
    assert len(set(biases)) == 3
    assert biases[2] == "own"
    assert "b.1" not in biases, "the name of an activation"
    assert "b" not in arrays(found), "nobody reads it any more"
    assert [node.input[1] for node in found.graph.node if node.op_type == "Conv"] == ["w", "k", "k"]
    for name in biases[:2]:
        np.testing.assert_array_equal(arrays(found)[name], arrays(sharing)["b"])
    np.testing.assert_array_equal(run(found, images), run(sharing, images))


def test_a_vector_that_can_be_fed_stays_one(sharing: onnx.ModelProto) -> None:
    sharing.graph.input.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, [4]))
    found = prepared(sharing)
    assert [node.input[2] for node in found.graph.node if node.op_type == "Conv"] == ["b", "b", "own"]


def test_a_shared_vector_that_is_an_output_too_stays_beside_its_copies(sharing: onnx.ModelProto) -> None:
    sharing.graph.output.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, [4]))
    assert "b" in arrays(prepared(sharing))
