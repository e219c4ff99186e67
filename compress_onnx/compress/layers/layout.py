"""A weight tensor as rows, one per output channel, as the quantizer gives them scales."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.model import attribute, copied, prunable_initializers

# What ONNX Runtime's folding puts before a weight's name, once per folded neighbor.
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_FOLDED = re.compile(r"^(?:Conv[A-Za-z]+Fusion_W_)+")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a weight's output channels lie.

    ``axis`` is ONNX Runtime's per-channel axis for the operator. ``whole`` tells that one index of
    the axis, with all others, is what one output channel multiplies its inputs with.
    """

    shape: tuple[int, ...]
    axis: int
    groups: int
    whole: bool

    @property
    def width(self) -> int:
        """D, the number of weights in a row."""
        return math.prod(self.shape) // self.shape[self.axis]

    def rows(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the weight (its shape) as (R, D), one row per index of the axis."""
        return np.moveaxis(values, self.axis, 0).reshape(self.shape[self.axis], -1)

    def tensor(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return rows (R, D) as the weight they came from."""
        shape = (self.shape[self.axis], *self.shape[: self.axis], *self.shape[self.axis + 1 :])
        return np.ascontiguousarray(np.moveaxis(rows.reshape(shape), 0, self.axis))


def plain_name(name: str) -> str:
    """Return the name a weight had before folding.

    >>> plain_name("ConvBnFusion_W_layer1.conv.weight")
    'layer1.conv.weight'
    """
    return _FOLDED.sub("", name)


def layouts(model: onnx.ModelProto) -> dict[str, Layout]:
    """Return the layout of every prunable initializer that can have a scale per channel, in graph order.

    Left out are empty tensors, and a MatMul's stack of matrices (rank 3 and more): its columns are no channels. A
    tensor shared by several nodes has the layout of the first.
    """
    tensors = {name: tensor for name, tensor in prunable_initializers(model).items() if 0 not in tensor.dims}
    by_name: dict[str, Layout] = {}
    for node in model.graph.node:
        name = node.input[1] if len(node.input) > 1 else ""
        if node.op_type not in _LAYERS:
            continue
        if name in tensors and name not in by_name and not (node.op_type == "MatMul" and len(tensors[name].dims) > 2):
            by_name[name] = _layout(node, tuple(tensors[name].dims))
    return {name: by_name[name] for name in tensors if name in by_name}


def _layout(node: onnx.NodeProto, shape: tuple[int, ...]) -> Layout:
    by_rows = node.op_type == "Conv" or (node.op_type == "Gemm" and attribute(node, "transB", 0) == 1)
    return Layout(
        shape=shape,
        axis=0 if by_rows else 1,
        groups=attribute(node, "group", 1),
        whole=node.op_type != "ConvTranspose",
    )


def weight_values(model: onnx.ModelProto) -> dict[str, NDArray[np.floating]]:
    """Return the values of every prunable initializer."""
    return {name: np.asarray(numpy_helper.to_array(tensor)) for name, tensor in prunable_initializers(model).items()}


def with_weights(model: onnx.ModelProto, values: dict[str, NDArray[np.floating]]) -> onnx.ModelProto:
    """Return a copy of the model with other values in the named initializers."""
    copy = copied(model)
    for tensor in copy.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    return copy
