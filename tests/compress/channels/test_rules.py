"""Which channels go together through each operator, and why some stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.compress.channels.flow import Flow
from compress_onnx.compress.channels.rules import RULES, followed

MakeModel = Callable[..., onnx.ModelProto]
MakeNode = Callable[..., onnx.NodeProto]
WIDTH = 6


def ones(*shape: int) -> NDArray[np.float32]:
    return np.ones(shape, np.float32)


TENSORS: dict[str, Any] = {
    "w": ones(WIDTH, 3, 3, 3),
    "v": ones(WIDTH, 3, 3, 3),
    "b": ones(WIDTH),
    "k": ones(4, WIDTH, 3, 3),
    "kb": ones(4),
    "depthwise": ones(WIDTH, 1, 3, 3),
    "double": ones(2 * WIDTH, 1, 3, 3),
    "grouped": ones(4, 3, 3, 3),
    "up": ones(WIDTH, 4, 2, 2),
    "wide": ones(WIDTH, 1, 1),
    "number": ones(1),
    "slopes": ones(WIDTH, 1, 1),
    "fc": ones(5, WIDTH),
    "fct": ones(WIDTH, 5),
    "fc4": ones(4, 5),
    "axes": np.array([2, 3]),
}


@pytest.fixture
def follow(make_model: MakeModel, node: MakeNode) -> Callable[..., Flow]:
    """Follow the channels of nodes behind two convolutions: ``c`` (weight w, bias b) and ``d`` (weight v)."""

    def build(*nodes: onnx.NodeProto) -> Flow:
        body = [
            node("Conv", "input w b", "c", pads=[1] * 4),
            node("Conv", "input v", "d", pads=[1] * 4),
            *nodes,
            node("GlobalAveragePool", "input", "other"),
            node("Flatten", "other", "left"),
            node("Slice", "left s0 s1 s1", "one"),
            node("Expand", "one five", "logits"),
        ]
        indices = {"s0": np.array([0]), "s1": np.array([1]), "five": np.array([1, 5])}
        used = {name for each in body for name in each.input}
        given = {name: value for name, value in (TENSORS | indices).items() if name in used}
        return followed(make_model(body, given))

    return build


def classes(flow: Flow, name: str, axis: int = 0) -> list[int]:
    return flow.channels.classes(flow.axes[name, axis]).tolist()


def test_a_filter_is_a_channel_that_its_bias_and_its_readers_share(follow: Callable[..., Flow], node: MakeNode) -> None:
    flow = follow(node("Relu", "c", "r"), node("Conv", "r k kb", "e"))
    assert classes(flow, "w") == classes(flow, "b") == classes(flow, "k", 1)
    assert classes(flow, "k") == classes(flow, "kb")
    assert len({*classes(flow, "w"), *classes(flow, "v"), *classes(flow, "k")}) == 2 * WIDTH + 4
    assert flow.filters == {"w": 0, "v": 0, "k": 0}
    assert [flow.reason(name) for name in flow.filters] == [None] * 3


EACH_BY_ITSELF = sorted(op for op, rule in RULES.items() if rule is RULES["Relu"])


# Swish exists since opset 24 only.
@pytest.mark.parametrize("op", [op for op in EACH_BY_ITSELF if op != "Swish"])
def test_activations_and_pools_hand_channels_on(follow: Callable[..., Flow], node: MakeNode, op: str) -> None:
    attributes: dict[str, Any] = {"kernel_shape": [2, 2]} if op in {"AveragePool", "LpPool", "MaxPool"} else {}
    attributes |= {"to": onnx.TensorProto.FLOAT} if op == "Cast" else {}
    flow = follow(node(op, "c", "x", **attributes), node("Conv", "x k", "e", pads=[1] * 4))
    assert classes(flow, "k", 1) == classes(flow, "w")


def test_a_depthwise_filter_goes_with_its_channel_and_the_group_is_counted(
    follow: Callable[..., Flow], node: MakeNode
) -> None:
    flow = follow(node("Conv", "c depthwise", "x", group=WIDTH), node("Conv", "x double", "y", group=WIDTH))
    assert classes(flow, "depthwise") == classes(flow, "w")
    assert classes(flow, "double") == np.repeat(classes(flow, "w"), 2).tolist()
    assert [(resize.node.name, resize.position) for resize in flow.resizes] == [("x", None), ("y", None)]
    assert flow.filters["double"] == 0


def test_a_transposed_convolution_takes_rows_and_makes_columns(follow: Callable[..., Flow], node: MakeNode) -> None:
    flow = follow(node("ConvTranspose", "c up kb", "x"))
    assert classes(flow, "up") == classes(flow, "w")
    assert classes(flow, "up", 1) == classes(flow, "kb")
    assert flow.filters["up"] == 1


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Sum"])
def test_channels_that_meet_are_tied_place_by_place(follow: Callable[..., Flow], node: MakeNode, op: str) -> None:
    flow = follow(node(op, "c d", "x"))
    assert classes(flow, "w") == classes(flow, "v")
    assert len(set(classes(flow, "w"))) == WIDTH


@pytest.mark.parametrize(("inputs", "name"), [("c wide", "wide"), ("wide c", "wide")])
def test_a_constant_of_one_number_per_channel_follows(
    follow: Callable[..., Flow], node: MakeNode, inputs: str, name: str
) -> None:
    assert classes(follow(node("Mul", inputs, "x")), name) == classes(follow(), "w")
    assert classes(follow(node("PRelu", "c slopes", "x")), "slopes") == classes(follow(), "w")


def test_a_constant_for_all_channels_stays(follow: Callable[..., Flow], node: MakeNode) -> None:
    flow = follow(node("Mul", "c number", "x"))
    assert not any(name == "number" for name, _ in flow.axes)
    assert flow.reason("w") is None


def test_norms_hold_one_number_per_channel(follow: Callable[..., Flow], node: MakeNode) -> None:
    batch = node("BatchNormalization", "c b b b b", "x")
    assert classes(follow(batch), "b") == classes(follow(), "w")
    instance = node("InstanceNormalization", "d b b", "x")
    flow = follow(instance)
    assert classes(flow, "v") == classes(flow, "b") == classes(flow, "w"), "tied by the vector that they share"


@pytest.mark.parametrize(
    ("op", "inputs", "axis", "attributes"),
    [("Gemm", "f fc", 1, {"transB": 1}), ("Gemm", "f fct", 0, {}), ("MatMul", "f fct", 0, {})],
)
def test_channels_end_as_the_inputs_of_a_product(
    follow: Callable[..., Flow], node: MakeNode, *, op: str, inputs: str, axis: int, attributes: dict[str, Any]
) -> None:
    flow = follow(node("ReduceMean", "c axes", "f", keepdims=0), node(op, inputs, "y", **attributes))
    weight = inputs.split()[1]
    assert classes(flow, weight, axis) == classes(flow, "w")
    assert (weight, 1 - axis) not in flow.axes
    assert flow.reason(weight) is not None, "its own outputs are left whole"


KEPT: list[tuple[list[tuple[str, str, str, dict[str, Any]]], str]] = [
    ([("Softmax", "c", "x", {"axis": 1})], "Softmax 'x': not an operator whose channels can be followed"),
    ([("Conv", "c grouped", "x", {"group": 2})], "Conv 'x': a grouped convolution"),
    ([("Add", "c left", "x", {})], "Add 'x': channels meet 'left', which has none"),
    ([("Reshape", "c c_shape", "x", {})], "Reshape 'x': 'c_shape' is computed"),
    ([("Flatten", "c", "f", {}), ("Gemm", "f f", "x", {"transB": 1})], "Gemm 'x': channels reach it as a parameter"),
    (
        [("ReduceMean", "c axes", "f", {"keepdims": 0}), ("Gemm", "f fct", "x", {"transA": 1})],
        "Gemm 'x': its input is transposed",
    ),
    ([("MatMul", "c eight", "x", {})], "MatMul 'x': a product of more than two axes"),
    ([("GlobalAveragePool", "d", "g", {}), ("Sub", "c g", "s", {}), ("Softmax", "s", "x", {})], "Softmax 'x'"),
]


@pytest.mark.parametrize(("given", "reason"), KEPT)
def test_channels_that_meet_something_unknown_stay_and_say_where(
    make_model: MakeModel, node: MakeNode, given: list[tuple[str, str, str, dict[str, Any]]], reason: str
) -> None:
    body = [
        node("Conv", "input w b", "c", pads=[1] * 4),
        node("Conv", "input v", "d", pads=[1] * 4),
        node("GlobalAveragePool", "input", "left"),
        node("Shape", "input", "c_shape"),
        *(node(op, inputs, output, **attributes) for op, inputs, output, attributes in given),
        node("ReduceMean", "left axes", "logits", keepdims=0),
    ]
    used = {name for each in body for name in each.input}
    stored = {name: value for name, value in (TENSORS | {"eight": ones(8, 8)}).items() if name in used}
    flow = followed(make_model(body, stored))
    assert str(flow.reason("w")).startswith(reason)
    tied = reason.startswith("Softmax 'x'") and len(given) == 3
    assert (flow.reason("v") is None) == (not tied)


def test_channels_of_an_output_stay(make_model: MakeModel, node: MakeNode) -> None:
    nodes = [
        node("Conv", "input w", "c"),
        node("GlobalAveragePool", "c", "p"),
        node("Flatten", "p", "logits"),
    ]
    flow = followed(make_model(nodes, {"w": ones(5, 3, 3, 3)}))
    assert flow.reason("w") == "output 'logits'"


def test_an_operator_of_another_domain_is_unknown_whatever_its_name(make_model: MakeModel, node: MakeNode) -> None:
    own = helper.make_node("Relu", ["c"], ["r"], "mine", domain="own")
    nodes = [node("Conv", "input w", "c"), own, node("GlobalAveragePool", "r", "p"), node("Flatten", "p", "logits")]
    flow = followed(make_model(nodes, {"w": ones(5, 3, 3, 3)}, domains=("own",)))
    assert str(flow.reason("w")).startswith("Relu 'mine': not an operator")


def test_a_second_output_of_a_pool_stops_the_walk(follow: Callable[..., Flow], node: MakeNode) -> None:
    pool = node("MaxPool", "c", "x", kernel_shape=[2, 2])
    pool.output.append("places")
    assert follow(pool).reason("w") == "MaxPool 'x': its second output is used"
