"""Which operators of a graph look across the images of a call: what they compute for one image depends on the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import onnx

from compress_onnx.model.image_axis import ImageAxis
from compress_onnx.model.nodes import attribute

_FAR = 2**31 - 1
_EVERY_AXIS_SINCE = 13
_BOOLEAN_TRAINING_SINCE = 14


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AcrossImages:
    """One node that looks across images, and how, in words that follow its name.

    ``certain`` where its answer for an image is a function of all images of the call; else images
    are only moved or drawn upon, and may come back to their places.
    """

    op: str
    node: str
    how: str
    certain: bool


def across_images(model: onnx.ModelProto) -> tuple[AcrossImages, ...]:
    """Return the nodes that look across images, in graph order, those of functions and subgraphs too.

    Followed by shape inference, see :class:`~compress_onnx.model.image_axis.ImageAxis`: behind a
    shape that it cannot follow, only operators that never keep images apart are found.
    """
    axis = ImageAxis(model)
    found = (_judged(node, axis) for node in axis.nodes())
    return tuple(dict.fromkeys(one for one in found if one is not None))


def random_nodes(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the nodes that draw at random at every call, as ``RandomNormalLike 'noise'``."""
    axis = ImageAxis(model)
    return tuple(f"{node.op_type} {_name(node)!r}" for node in axis.needed() if _draws(node, axis))


def _name(node: onnx.NodeProto) -> str:
    return node.name or node.output[0]


def _judged(node: onnx.NodeProto, axis: ImageAxis) -> AcrossImages | None:
    how, certain = _always(node, axis), True
    if not how and _meets(_MIXED, node, axis):
        how = "over the images of a call"
    if not how and _meets(_MOVED, node, axis):
        how, certain = "between the places of images in a call", False
    return AcrossImages(op=node.op_type, node=_name(node), how=how, certain=certain) if how else None


def _always(node: onnx.NodeProto, axis: ImageAxis) -> str:
    """Say how a node looks across images wherever these lie, empty where it need not."""
    if node.op_type in _DYNAMIC and axis.carries(node.input[0]):
        return "with one scale for all images of a call"
    if node.op_type == "BatchNormalization" and _in_training(node, axis.opset):
        return "in training mode, which normalizes by the images of a call"
    return ""


_DYNAMIC = frozenset({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})
_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


def _in_training(node: onnx.NodeProto, opset: int) -> bool:
    if opset >= _BOOLEAN_TRAINING_SINCE:
        return bool(attribute(node, "training_mode", 0))
    # Older ones are in training mode where the running statistics are asked for, the oldest where not told otherwise.
    return sum(map(bool, node.output)) > 1 or (opset < 7 and not attribute(node, "is_test", 0))


def _draws(node: onnx.NodeProto, axis: ImageAxis) -> bool:
    if node.op_type in _RANDOM:
        return True
    # A switch that is computed may be on.
    return node.op_type == "Dropout" and len(node.input) > 2 and axis.flag(node.input[2]) is not False


Places: TypeAlias = Iterable[tuple[str, Iterable[int] | None]]
"""Tensors and the axes of each over which a node works; ``None`` is all of them."""
Rule: TypeAlias = Callable[[onnx.NodeProto, ImageAxis], Places]


def _meets(rules: dict[str, Rule], node: onnx.NodeProto, axis: ImageAxis) -> bool:
    rule = rules.get(node.op_type)
    return rule is not None and any(_holds(name, axes, axis) for name, axes in rule(node, axis))


def _holds(name: str, axes: Iterable[int] | None, axis: ImageAxis) -> bool:
    """Tell whether images lie on one of the axes of a tensor that comes from the pictures."""
    images, rank = axis.axes(name), axis.rank(name)
    if not axis.carries(name):
        return False
    if axes is None:
        return images is None or bool(images)
    return bool(images and rank and images.intersection(place % rank for place in axes))


def _constant(node: onnx.NodeProto, slot: int, axis: ImageAxis) -> list[int] | None:
    return axis.constant(node.input[slot]) if len(node.input) > slot and node.input[slot] else None


def _reduced(node: onnx.NodeProto, axis: ImageAxis) -> Places:
    axes = attribute(node, "axes", None) or _constant(node, 1, axis)
    given = len(node.input) > 1 and bool(node.input[1])
    if axes is None and (given or attribute(node, "noop_with_empty_axes", 0)):
        return
    yield node.input[0], axes


def _at(name: str, default: int) -> Rule:
    """Return the rule of an operator that works along one axis of its first input."""

    def rule(node: onnx.NodeProto, _: ImageAxis) -> Places:
        yield node.input[0], [attribute(node, name, default)]

    return rule


def _from(default: int) -> Rule:
    """Return the rule of an operator that works over an axis and all behind it."""

    def rule(node: onnx.NodeProto, axis: ImageAxis) -> Places:
        rank = axis.rank(node.input[0])
        if rank:
            yield node.input[0], range(attribute(node, "axis", default) % rank, rank)

    return rule


def _softmax(node: onnx.NodeProto, axis: ImageAxis) -> Places:
    # Before opset 13 the axes behind were flattened into one.
    rule = _at("axis", -1) if axis.opset >= _EVERY_AXIS_SINCE else _from(1)
    yield from rule(node, axis)


def _listed(default: Sequence[int]) -> Rule:
    def rule(node: onnx.NodeProto, _: ImageAxis) -> Places:
        yield node.input[0], attribute(node, "axes", default)

    return rule


def _summed(node: onnx.NodeProto, axis: ImageAxis) -> Places:
    yield node.input[0], _constant(node, 1, axis) or []


def _contracted(node: onnx.NodeProto, axis: ImageAxis) -> Places:
    yield node.input[0], [-1]
    yield node.input[1], [-2 if (axis.rank(node.input[1]) or 0) > 1 else 0]


def _gemm(node: onnx.NodeProto, _: ImageAxis) -> Places:
    yield node.input[0], [0 if attribute(node, "transA", 0) else 1]
    yield node.input[1], [1 if attribute(node, "transB", 0) else 0]


def _einsum(node: onnx.NodeProto, _: ImageAxis) -> Places:
    left, _arrow, right = attribute(node, "equation", b"").decode().replace(" ", "").partition("->")
    if not right or "." in left:
        return
    for name, term in zip(node.input, left.split(","), strict=False):
        yield name, [place for place, letter in enumerate(term) if letter not in right]


def _spatial(first: int) -> Rule:
    """Return the rule of an operator that slides or pools: it works over the axes from ``first`` on."""

    def rule(node: onnx.NodeProto, axis: ImageAxis) -> Places:
        yield node.input[0], range(first, axis.rank(node.input[0]) or first)

    return rule


def _recurrent(node: onnx.NodeProto, _: ImageAxis) -> Places:
    yield node.input[0], [1 if attribute(node, "layout", 0) else 0]


def _joined(node: onnx.NodeProto, _: ImageAxis) -> Places:
    place = attribute(node, "axis", 0)
    yield from ((name, [place]) for name in node.input)


def _sliced(node: onnx.NodeProto, axis: ImageAxis) -> Places:
    starts = attribute(node, "starts", None) or _constant(node, 1, axis) or []
    ends = attribute(node, "ends", None) or _constant(node, 2, axis) or []
    axes = attribute(node, "axes", None) or _constant(node, 3, axis) or list(range(len(starts)))
    steps = _constant(node, 4, axis) or [1] * len(starts)
    # From the first to the last is how exporters write an axis that is left alone.
    cut = [
        a
        for a, start, end, step in zip(axes, starts, ends, steps, strict=False)
        if (start, step) != (0, 1) or end < _FAR
    ]
    yield node.input[0], cut


def _reversed(node: onnx.NodeProto, _: ImageAxis) -> Places:
    yield node.input[0], [attribute(node, "time_axis", 0)]


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
_SLIDING = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv")
_POOLING = (
    "AveragePool",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "LpPool",
    "MaxPool",
    "InstanceNormalization",
)
_MIXED: dict[str, Rule] = {
    **dict.fromkeys((f"Reduce{name}" for name in _REDUCTIONS), _reduced),
    **dict.fromkeys(("ArgMax", "ArgMin"), _at("axis", 0)),
    **dict.fromkeys(("TopK", "LpNormalization"), _at("axis", -1)),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"), _from(-1)),
    "MeanVarianceNormalization": _listed((0, 2, 3)),
    "CumSum": _summed,
    **dict.fromkeys(("MatMul", "MatMulInteger"), _contracted),
    "Gemm": _gemm,
    "Einsum": _einsum,
    **dict.fromkeys(_SLIDING, _spatial(1)),
    **dict.fromkeys(_POOLING, _spatial(2)),
    "LRN": _spatial(1),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
}
_MOVED: dict[str, Rule] = {
    "Concat": _joined,
    **dict.fromkeys(("Gather", "GatherElements", "ScatterElements", "Split"), _at("axis", 0)),
    "Slice": _sliced,
    "ReverseSequence": _reversed,
}
