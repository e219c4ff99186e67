"""How channels pass through each ONNX operator: one rule per kind, and the walk that applies them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import onnx

from compress_onnx.compress.channels.flow import CHANNEL_AXIS, Flow, Resize, UnfollowedError, optional_input, repeated
from compress_onnx.compress.channels.groups import Labels
from compress_onnx.compress.channels.shapes import concat, flatten, over_space, reshape
from compress_onnx.model import attribute, names_read

Rule: TypeAlias = Callable[[Flow, onnx.NodeProto], Labels | None]
"""Returns the channels of a node's first output, ``None`` where nobody follows them."""


def _same(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """Each channel by itself: activations and pooling over space."""
    if any(node.output[1:]):
        raise UnfollowedError("its second output is used")
    return flow.carried.get(node.input[0])


def _conv(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """W is (M, C / group, …); a filter makes one channel."""
    weight, labels = flow.weight(node), flow.carried.get(node.input[0])
    groups = attribute(node, "group", 1)
    made = flow.filters_of(weight, 0) if groups == 1 else _depthwise(flow, node, weight, labels)
    flow.bind(weight, 1, labels if groups == 1 else None)
    return _with_bias(flow, node, made)


def _depthwise(flow: Flow, node: onnx.NodeProto, weight: str, labels: Labels | None) -> Labels:
    filters, width = flow.shape(weight)[0] or 0, attribute(node, "group", 1)
    if labels is None or width != len(labels):
        raise UnfollowedError("a grouped convolution")
    made = repeated(labels, filters // width)
    flow.bind(weight, 0, made)
    flow.filters[weight] = 0
    flow.resizes.append(Resize(labels, node))
    return made


def _conv_transpose(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """W is (C, M, …)."""
    weight = flow.weight(node)
    if attribute(node, "group", 1) != 1:
        raise UnfollowedError("a grouped convolution")
    flow.bind(weight, 0, flow.carried.get(node.input[0]))
    return _with_bias(flow, node, flow.filters_of(weight, 1))


def _with_bias(flow: Flow, node: onnx.NodeProto, made: Labels) -> Labels:
    if optional_input(node, 2):
        flow.bind(flow.weight(node, 2), 0, made)
    return made


def _per_channel(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """Every further input holds one number per channel: BatchNormalization, InstanceNormalization."""
    if any(node.output[1:]) or attribute(node, "training_mode", 0):
        raise UnfollowedError("it is in training mode")
    names = [flow.weight(node, slot) for slot in range(1, len(node.input))]
    labels = flow.carried.get(node.input[0])
    for name in names:
        flow.bind(name, 0, labels)
    return labels


def _gemm(flow: Flow, node: onnx.NodeProto) -> None:
    """Channels end as columns of the weight; the outputs of a fully connected layer are left whole."""
    weight, labels = flow.weight(node), flow.carried.get(node.input[0])
    if attribute(node, "transA", 0):
        raise UnfollowedError("its input is transposed")
    flow.bind(weight, 1 if attribute(node, "transB", 0) else 0, labels)


def _matmul(flow: Flow, node: onnx.NodeProto) -> None:
    weight = flow.weight(node)
    if len(flow.shape(node.input[0])) != 2 or len(flow.shape(weight)) != 2:
        raise UnfollowedError("a product of more than two axes")
    flow.bind(weight, 0, flow.carried.get(node.input[0]))


def _elementwise(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """Residual paths: channels at one position are tied; constants of one number per channel follow."""
    carried = [name for name in node.input if name in flow.carried]
    if not carried:
        return None
    first = flow.carried[carried[0]]
    rank = len(flow.shape(carried[0]))
    for name in node.input:
        if name in flow.carried or not flow.is_stored(name):
            _expect_alike(flow, name, rank, len(first))
    for name in node.input:
        if name in flow.carried:
            flow.channels.tie(first, flow.carried[name])
        else:
            _bind_constant(flow, name, rank, first)
    return first


def _expect_alike(flow: Flow, name: str, rank: int, width: int) -> None:
    if name not in flow.carried:
        raise UnfollowedError(f"channels meet {name!r}, which has none")
    if len(flow.shape(name)) != rank or len(flow.carried[name]) != width:
        raise UnfollowedError("shapes broadcast over channels")


def _bind_constant(flow: Flow, name: str, rank: int, labels: Labels) -> None:
    sizes = flow.shape(name)
    axis = CHANNEL_AXIS - (rank - len(sizes))
    if len(sizes) > rank:
        raise UnfollowedError("shapes broadcast over channels")
    if axis >= 0 and sizes[axis] != 1:
        flow.bind(name, axis, labels)  # which refuses a constant that widens one channel to many


_ACTIVATIONS = (
    "Abs",
    "Cast",
    "Celu",
    "Clip",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Mish",
    "Neg",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
)
_POOLS = ("AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool")
_JOINS = ("Add", "Concat", "Div", "Mul", "PRelu", "Sub", "Sum")
_REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Squeeze", "Unsqueeze")
RULES: dict[str, Rule] = {
    **dict.fromkeys((*_ACTIVATIONS, *_POOLS), _same),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization"), _per_channel),
    **dict.fromkeys(_JOINS, _elementwise),
    **dict.fromkeys(_REDUCTIONS, over_space),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Concat": concat,
    "Flatten": flatten,
    "Reshape": reshape,
}


def followed(model: onnx.ModelProto) -> Flow:
    """Return where the channels of all convolutions go in a model."""
    flow = Flow(model)
    for node in model.graph.node:
        flow.bound.clear()
        try:
            labels = _labels_behind(flow, node)
        except UnfollowedError as why:
            _keep_all(flow, node, f"{node.op_type} {node.name!r}: {why}")
            continue
        if labels is not None:
            flow.carried[node.output[0]] = labels
        for name in node.input:
            if name not in flow.bound and name not in flow.carried:
                flow.keep(name, f"{node.op_type} {node.name!r} uses it whole")
    for output in model.graph.output:
        flow.keep(output.name, f"output {output.name!r}")
    flow.settle()
    return flow


def _labels_behind(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    rule = RULES.get(node.op_type) if node.domain in {"", "ai.onnx"} else None
    if rule is None:
        raise UnfollowedError("not an operator whose channels can be followed")
    if node.op_type not in _JOINS and any(name in flow.carried for name in node.input[1:]):
        raise UnfollowedError("channels reach it as a parameter")
    return rule(flow, node)


def _keep_all(flow: Flow, node: onnx.NodeProto, reason: str) -> None:
    for name in names_read(node):
        flow.keep(name, reason)
