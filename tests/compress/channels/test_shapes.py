"""Channels through operators that change shapes: each position of the output holds what the rule says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.compress.channels.flow import Flow, UnfollowedError
from compress_onnx.compress.channels.groups import Labels
from compress_onnx.compress.channels.shapes import concat, flatten, over_space, reshape

MakeNode = Callable[..., onnx.NodeProto]
RULES: dict[str, Callable[[Flow, onnx.NodeProto], Labels | None]] = {
    "Concat": concat,
    "Flatten": flatten,
    "Reshape": reshape,
    "ReduceMean": over_space,
    "ReduceMax": over_space,
    "Squeeze": over_space,
    "Unsqueeze": over_space,
}
SIZES = (2, 3, 4, 5)


def of_one(node: onnx.NodeProto, sizes: tuple[int, ...] = SIZES, **stored: Any) -> onnx.ModelProto:
    """Return a model of one node, from images ``x`` and ``z`` of these sizes."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "one",
        [value(name, onnx.TensorProto.FLOAT, sizes) for name in ("x", "z") if name in node.input],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.array(values, np.int64), name) for name, values in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def followed(model: onnx.ModelProto, *names: str) -> tuple[Flow, Labels | None]:
    """Apply the node's rule where the named inputs carry three channels each."""
    flow = Flow(model)
    for name in names:
        flow.carried[name] = flow.channels.fresh(SIZES[1])
    (node,) = model.graph.node
    return flow, RULES[node.op_type](flow, node)


def marked(labels: Labels, sizes: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an image that holds at each position the number of its channel."""
    shape = (1, -1, *[1] * (len(sizes) - 2))
    return np.broadcast_to(labels.reshape(shape), sizes).astype(np.float32)


PASSING: list[tuple[str, dict[str, Any], dict[str, Any], tuple[int, ...]]] = [
    ("Flatten", {}, {}, SIZES),
    ("Flatten", {"axis": -3}, {}, SIZES),
    ("Reshape", {}, {"a": [2, 60]}, SIZES),
    ("Reshape", {}, {"a": [-1, 60]}, SIZES),
    ("Reshape", {}, {"a": [0, -1]}, SIZES),
    ("Reshape", {}, {"a": [2, 3, 20]}, SIZES),
    ("Reshape", {}, {"a": [0, 0, -1]}, SIZES),
    ("Reshape", {}, {"a": [0, 3, 2, 2, 5]}, SIZES),
    ("Reshape", {"allowzero": 1}, {"a": [2, -1]}, SIZES),
    ("ReduceMean", {}, {"a": [2, 3]}, SIZES),
    ("ReduceMax", {"keepdims": 0}, {"a": [-1]}, SIZES),
    ("Squeeze", {}, {"a": [2, -1]}, (2, 3, 1, 1)),
    ("Unsqueeze", {}, {"a": [2, -1]}, (2, 3, 4)),
]


@pytest.mark.parametrize(("op", "attributes", "stored", "sizes"), PASSING)
def test_each_place_behind_the_batch_holds_the_channel_that_the_rule_names(
    node: MakeNode, op: str, attributes: dict[str, Any], stored: dict[str, Any], sizes: tuple[int, ...]
) -> None:
    model = of_one(node(op, " ".join(["x", *stored]), "y", **attributes), sizes, **stored)
    flow, labels = followed(model, "x")
    assert labels is not None
    (made,) = ReferenceEvaluator(model).run(None, {"x": marked(flow.carried["x"], sizes)})
    np.testing.assert_array_equal(np.broadcast_to(marked(labels, made.shape), made.shape), made)


def test_only_a_written_count_of_channels_is_to_be_updated(node: MakeNode) -> None:
    for target, counted in (([2, 60], 60), ([0, -1], None), ([0, 0, -1], None), ([-1, 3, 20], 3)):
        flow, labels = followed(of_one(node("Reshape", "x a", "y"), a=target), "x")
        assert [len(resize.labels) for resize in flow.resizes] == ([] if counted is None else [counted])
        assert all(resize.labels is labels and resize.position == 1 for resize in flow.resizes)


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("Flatten", {"axis": 2}, {}, "flattened at another axis than the channels"),
    ("Flatten", {"axis": 0}, {}, "flattened at another axis than the channels"),
    ("Reshape", {}, {"a": [2, 6, 10]}, "channels are split or merged"),
    ("Reshape", {}, {"a": [2, 12, 5]}, "channels are split or merged"),
    ("Reshape", {}, {"a": [6, 20]}, "the batch is split or merged"),
    ("Reshape", {}, {"a": [-1, 30]}, "the batch is split or merged"),
    ("Reshape", {}, {"a": [120]}, "the batch is split or merged"),
    ("ReduceMean", {}, {"a": [1, 2]}, "its axes are not all behind the channels"),
    ("ReduceMean", {}, {"a": [-4]}, "its axes are not all behind the channels"),
    ("ReduceMean", {}, {}, "its axes are not all behind the channels"),
    ("Unsqueeze", {}, {"a": [1]}, "its axes are not all behind the channels"),
    ("Unsqueeze", {}, {"a": [-5]}, "its axes are not all behind the channels"),
]


@pytest.mark.parametrize(("op", "attributes", "stored", "reason"), REFUSED)
def test_what_moves_channels_is_not_followed_and_says_why(
    node: MakeNode, op: str, attributes: dict[str, Any], stored: dict[str, Any], reason: str
) -> None:
    model = of_one(node(op, " ".join(["x", *stored]), "y", **attributes), **stored)
    with pytest.raises(UnfollowedError, match=reason):
        followed(model, "x")


@pytest.mark.parametrize("op", [op for op in RULES if op != "Concat"])
def test_nothing_comes_of_an_input_without_channels(node: MakeNode, op: str) -> None:
    flow, labels = followed(of_one(node(op, "x a", "y"), a=[2, 3]))
    assert labels is None
    assert not flow.resizes


@pytest.mark.parametrize("axis", [1, -3])
def test_joined_channels_lie_side_by_side_and_those_of_nobody_stay(node: MakeNode, axis: int) -> None:
    model = of_one(node("Concat", "x z x", "y", axis=axis))
    flow, labels = followed(model, "x")
    assert labels is not None
    given = {"x": marked(flow.carried["x"], SIZES), "z": marked(labels[3:6], SIZES)}
    (made,) = ReferenceEvaluator(model).run(None, given)
    np.testing.assert_array_equal(marked(labels, made.shape), made)
    reasons = [flow.channels.reason(label) for label in labels.tolist()]
    assert reasons == [None] * 3 + ["joined from 'z', which is not followed"] * 3 + [None] * 3


def test_joining_what_carries_nothing_or_along_another_axis_is_not_followed(node: MakeNode) -> None:
    assert followed(of_one(node("Concat", "x z", "y", axis=1)))[1] is None
    with pytest.raises(UnfollowedError, match="joined along another axis than the channels"):
        followed(of_one(node("Concat", "x z", "y", axis=2)), "x", "z")
