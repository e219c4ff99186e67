"""Which layers read the channels of a layer, through operators that keep channels apart and constants constant."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from compress_onnx.model import WEIGHTED_OPS, attribute, names_read

_ACTIVATIONS = frozenset({"Relu", "LeakyRelu"})
_SAME = frozenset({"Identity", "Dropout", "GlobalAveragePool", "GlobalMaxPool", "Flatten", *_ACTIVATIONS})
_POOLS = frozenset({"MaxPool", "AveragePool"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reader:
    """A layer whose stored weight takes the channels: Conv without padding, Gemm, or MatMul of matrices.

    ``node`` is that of the model, not a copy; ``axis`` is the weight's axis of inputs.
    """

    node: onnx.NodeProto
    axis: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readers:
    """All that a layer's output reaches; ``activated`` tells that a Relu or LeakyRelu lies between."""

    layers: tuple[Reader, ...]
    activated: bool


class Graph:
    """A model's nodes by what they read, and its stored tensors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.stored: Mapping[str, onnx.TensorProto] = {t.name: t for t in model.graph.initializer}
        self.outputs = {value.name for value in model.graph.output}
        self.uses: dict[str, int] = defaultdict(int)
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in dict.fromkeys(node.input):
                self._readers[name].append(node)
            for name in names_read(node):
                self.uses[name] += 1

    def readers(self, tensor: str, channels: int, *, images: bool = True) -> Readers | None:
        """Return who reads the tensor's channels (axis 1), ``None`` where something else does too.

        ``images`` tells that the tensor is (N, C, H, W), not (N, C * n).

        A constant that is added to a channel reaches each reader as that constant, a factor above 0
        as that factor; of an activation that holds where its inputs stay positive.
        """
        if tensor in self.outputs or not self._readers[tensor]:
            return None
        found: list[Reader] = []
        activated = False
        for node in self._readers[tensor]:
            behind = self._behind(node, tensor, channels, images=images)
            if behind is None:
                return None
            found += behind.layers
            activated |= behind.activated
        return Readers(layers=tuple(found), activated=activated)

    def _behind(self, node: onnx.NodeProto, tensor: str, channels: int, *, images: bool) -> Readers | None:
        if node.op_type in WEIGHTED_OPS:
            reader = self._reader(node, tensor, channels) if images == (node.op_type == "Conv") else None
            return None if reader is None else Readers(layers=(reader,), activated=False)
        if node.input[0] != tensor or not self._keeps_channels(node):
            return None
        behind = self.readers(node.output[0], channels, images=images and not self._flattens(node))
        if behind is None or node.op_type not in _ACTIVATIONS:
            return behind
        return dataclasses.replace(behind, activated=True)

    def _reader(self, node: onnx.NodeProto, tensor: str, channels: int) -> Reader | None:
        name = node.input[1]
        alone = name in self.stored and self.uses[name] == 1 and list(node.input).count(tensor) == 1
        if node.input[0] != tensor or not alone or not self._bias_is_stored(node):
            return None
        shape = list(self.stored[name].dims)
        if node.op_type == "Conv":
            plain = attribute(node, "group", 1) == 1 and not _is_padded(node)
            return Reader(node=node, axis=1) if plain and shape[1] == channels else None
        if node.op_type not in {"Gemm", "MatMul"} or len(shape) != 2:
            return None
        axis = 1 if attribute(node, "transB", 0) else 0
        return Reader(node=node, axis=axis) if shape[axis] % channels == 0 else None

    def _bias_is_stored(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "MatMul":
            return True
        return len(node.input) < 3 or not node.input[2] or node.input[2] in self.stored

    def _keeps_channels(self, node: onnx.NodeProto) -> bool:
        if node.domain not in {"", "ai.onnx"} or len([name for name in node.output if name]) != 1:
            return False
        if node.op_type == "Flatten":
            return bool(attribute(node, "axis", 1) == 1)
        if node.op_type == "Reshape":
            # (N, C, ...) as a matrix of N rows: the runs of a channel's values stay together.
            shape = self.stored.get(node.input[1])
            return shape is not None and list(shape.dims) == [2] and int(numpy_helper.to_array(shape)[0]) in {-1, 0, 1}
        if node.op_type in {"ReduceMean", "Squeeze"}:
            return self._over_space(node)
        return node.op_type in _SAME or (node.op_type in _POOLS and _pools_constants(node))

    def _over_space(self, node: onnx.NodeProto) -> bool:
        axes = attribute(node, "axes", ())
        if len(node.input) > 1 and node.input[1] in self.stored:
            axes = np.ravel(numpy_helper.to_array(self.stored[node.input[1]])).tolist()
        return set(axes) in ({2, 3}, {-1, -2})

    def _flattens(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "ReduceMean":
            return not attribute(node, "keepdims", 1)
        return node.op_type in {"Flatten", "Reshape", "Squeeze"}


def _is_padded(node: onnx.NodeProto) -> bool:
    return any(attribute(node, "pads", ())) or attribute(node, "auto_pad", b"NOTSET") not in {b"NOTSET", b"VALID"}


def _pools_constants(node: onnx.NodeProto) -> bool:
    """Tell whether a pool over a constant gives it at the borders too: a maximum ignores pads, a mean may count them."""
    return node.op_type == "MaxPool" or not (_is_padded(node) and attribute(node, "count_include_pad", 0))
