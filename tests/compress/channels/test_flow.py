"""What is known of channels on their way: shapes, ties of shared weights, and reasons to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.channels.flow import Flow, UnfollowedError, inferred, optional_input, positions, repeated
from compress_onnx.model.files import model_bytes

MakeModel = Callable[..., onnx.ModelProto]
MakeNode = Callable[..., onnx.NodeProto]


@pytest.fixture
def model(make_model: MakeModel, node: MakeNode) -> onnx.ModelProto:
    """A convolution to 6 channels, halved in space, as rows of a product."""
    nodes = [
        node("Conv", "input w b", "c", pads=[1] * 4),
        node("MaxPool", "c", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "p rows", "f"),
        node("MatMul", "f m", "logits"),
    ]
    shapes = {"w": (6, 3, 3, 3), "b": (6,), "m": (96, 5)}
    tensors: dict[str, Any] = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    return make_model(nodes, {**tensors, "rows": np.array([-1, 96])})


@pytest.fixture
def flow(model: onnx.ModelProto) -> Flow:
    return Flow(model)


def test_shapes_are_those_of_the_graph_with_free_sizes_unknown(flow: Flow) -> None:
    assert flow.shape("input") == (None, 3, 8, 8)
    assert flow.shape("c") == (None, 6, 8, 8)
    assert flow.shape("p") == (None, 6, 4, 4)
    assert flow.shape("f") == (None, 96)
    assert flow.shape("w") == (6, 3, 3, 3)
    with pytest.raises(UnfollowedError, match="the shape of 'nowhere' is not known"):
        flow.shape("nowhere")


def test_shapes_that_an_earlier_tool_left_behind_are_not_believed(model: onnx.ModelProto) -> None:
    model.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ["batch", 9, 1, 1]))
    before = model_bytes(model)
    assert Flow(model).shape("c") == (None, 6, 8, 8)
    assert model_bytes(model) == before


def test_inferred_shapes_come_without_the_numbers_of_weights_but_with_those_of_vectors(model: onnx.ModelProto) -> None:
    stored = {tensor.name: tensor for tensor in inferred(model).initializer}
    assert list(stored["m"].dims) == [96, 5]
    assert not stored["m"].raw_data
    assert numpy_helper.to_array(stored["rows"]).tolist() == [-1, 96]


def test_integers_and_weights_are_read_only_where_they_are_stored(flow: Flow, node: MakeNode) -> None:
    assert flow.is_stored("rows")
    assert not flow.is_stored("c")
    assert flow.integers("rows") == [-1, 96]
    with pytest.raises(UnfollowedError, match="'c' is computed"):
        flow.integers("c")
    convolution = node("Conv", "input w b", "c")
    assert [flow.weight(convolution), flow.weight(convolution, 2)] == ["w", "b"]
    for lacking in (node("Conv", "input c", "y"), node("Conv", "input", "y")):
        with pytest.raises(UnfollowedError, match="its weight is computed"):
            flow.weight(lacking)


def test_an_input_that_is_left_out_is_an_empty_name(node: MakeNode) -> None:
    clip = helper.make_node("Clip", ["x", "", "high"], ["y"])
    assert [optional_input(clip, slot) for slot in range(4)] == ["x", "", "high", ""]


def test_filters_are_new_channels_at_the_first_use_and_the_same_ones_later(flow: Flow) -> None:
    made = flow.filters_of("w", 0)
    assert len(made) == 6
    assert flow.filters_of("w", 0) is made
    assert set(flow.filters_of("w", 1).tolist()).isdisjoint(made.tolist())
    assert flow.bound == {"w"}


def test_a_weight_that_is_used_twice_ties_its_channels(flow: Flow) -> None:
    first, second = flow.channels.fresh(6), flow.channels.fresh(6)
    flow.bind("b", 0, first)
    flow.bind("b", 0, second)
    assert flow.channels.classes(second).tolist() == first.tolist()
    assert flow.axes["b", 0] is first


def test_a_vector_of_another_length_does_not_fit(flow: Flow) -> None:
    with pytest.raises(UnfollowedError, match="'b' does not fit its channels"):
        flow.bind("b", 0, flow.channels.fresh(5))
    assert ("b", 0) not in flow.axes


def test_channels_stay_where_something_holds_their_initializer_whole(flow: Flow) -> None:
    made = flow.filters_of("w", 0)
    flow.bind("b", 0, made)
    assert flow.reason("w") is None
    flow.keep("b", "a second use")
    assert flow.reason("w") is None, "not yet settled"
    flow.settle()
    assert flow.reason("w") == "a second use"


def test_an_axis_that_nobody_follows_keeps_only_channels_bound_to_it(flow: Flow) -> None:
    made, inputs = flow.filters_of("w", 0), flow.channels.fresh(3)
    flow.bind("w", 1, inputs)
    flow.bind("w", 1, None)
    flow.settle()
    assert {flow.channels.reason(label) for label in inputs.tolist()} == {"its input is not followed"}
    assert {flow.channels.reason(label) for label in made.tolist()} == {None}


def test_the_first_reason_stays_and_a_weight_may_go_while_one_filter_may(flow: Flow) -> None:
    made = flow.filters_of("w", 0)
    flow.carried["c"] = made[:5]
    flow.keep("c", "first")
    flow.keep("c", "second")
    flow.keep("unheard of", "nothing happens")
    assert flow.reason("w") is None
    flow.channels.keep(made[5:], "last")
    assert flow.reason("w") == "first"


def test_what_makes_no_channels_says_why(flow: Flow) -> None:
    assert flow.reason("m") == "not followed"
    flow.keep("m", "used whole")
    assert flow.reason("m") == "used whole"


def test_positions_are_the_sizes_behind_the_batch_of_what_carries_them(flow: Flow) -> None:
    labels = flow.channels.fresh(6)
    assert positions(flow, "p", labels) == (6, 4, 4)
    with pytest.raises(UnfollowedError, match="the shape of 'p' is not known"):
        positions(flow, "p", labels[:5])


def test_free_sizes_behind_the_batch_are_no_positions(make_model: MakeModel, node: MakeNode) -> None:
    nodes = [
        node("Conv", "input w", "c", pads=[1] * 4),
        node("Resize", "c none sizes", "r"),
        node("GlobalAveragePool", "r", "p"),
        node("Flatten", "p", "logits"),
    ]
    nodes[1] = helper.make_node("Resize", ["c", "", "scales"], ["r"], "r")
    nodes.insert(1, node("Exp", "logs", "scales"))
    tensors = {"w": np.ones((5, 3, 3, 3), np.float32), "logs": np.zeros(4, np.float32)}
    flow = Flow(make_model(nodes, tensors))
    with pytest.raises(UnfollowedError, match="the shape of 'r' is not known"):
        positions(flow, "r", flow.channels.fresh(5))


def test_repeated_channels_lie_as_flattening_leaves_them() -> None:
    labels = np.array([4, 7, 9])
    image = np.broadcast_to(labels[:, None, None], (3, 2, 2))
    assert repeated(labels, 4).tolist() == image.reshape(-1).tolist()
