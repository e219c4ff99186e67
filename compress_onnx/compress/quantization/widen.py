"""Store 4, run 8: 4-bit weights on disk that ONNX Runtime multiplies with its 8-bit kernels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.model import copied, default_opset

# Cast has known the 4-bit types since opset 21.
_LEAST_OPSET = 21
_WIDE: dict[int, int] = {TensorProto.INT4: TensorProto.INT8, TensorProto.UINT4: TensorProto.UINT8}
_WIDE_ARRAYS: dict[int, type] = {TensorProto.INT4: np.int8, TensorProto.UINT4: np.uint8}


def widened(model: onnx.ModelProto, *, where: object = "") -> onnx.ModelProto:
    """Return a copy in which every DequantizeLinear of a 4-bit initializer reads it through a Cast to 8 bits.

    INT4 becomes INT8 and UINT4 becomes UINT8, zero points too. The initializer keeps its 4 bits on
    disk; the runtime folds the Cast at load, and then its integer kernels fit. Without optimization
    the outputs are bit for bit those of the given graph. A tensor that several nodes read is cast
    once; what is computed or widened already stays as it is.

    Errors
    ------
    ModelError
        if there are 4-bit weights to widen and the model's opset is below 21.
    """
    copy = copied(model)
    stored = {tensor.name: tensor for tensor in copy.graph.initializer}
    readers = [node for node in copy.graph.node if _reads_4_bits(node, stored)]
    if readers and default_opset(model) < _LEAST_OPSET:
        raise ModelError(
            f"opset {_LEAST_OPSET} or newer to widen 4-bit weights",
            f"opset {default_opset(model)}",
            where=where,
            remedy="Export the float model at opset 21 and quantize it again.",
        )
    names = _Names(copy)
    casts = {name: names.fresh(f"{name}_wide") for name in dict.fromkeys(node.input[0] for node in readers)}
    points = {
        name: names.fresh(f"{name}_wide") for name in dict.fromkeys(p for node in readers for p in node.input[2:])
    }
    for node in readers:
        node.domain = ""
        node.input[0] = casts[node.input[0]]
        node.input[2:] = [points[name] for name in node.input[2:]]
    copy.graph.initializer.extend(_wide_tensor(stored[name], wide) for name, wide in points.items())
    _put_first(copy.graph, [_cast(stored[name], wide, names) for name, wide in casts.items()])
    _drop_unread(copy.graph, frozenset(points))
    return copy


def _reads_4_bits(node: onnx.NodeProto, stored: dict[str, TensorProto]) -> bool:
    if node.op_type != "DequantizeLinear" or node.input[0] not in stored:
        return False
    constant = all(name in stored for name in node.input[2:])
    return constant and stored[node.input[0]].data_type in _WIDE


class _Names:
    """Names not taken in a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._taken = set(_names(model.graph))

    def fresh(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    for part in (graph.initializer, graph.input, graph.output, graph.node):
        yield from (entry.name for entry in part)
    for node in graph.node:
        yield from (*node.input, *node.output)


def _wide_tensor(tensor: TensorProto, name: str) -> TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(_WIDE_ARRAYS[tensor.data_type]), name)


def _cast(tensor: TensorProto, output: str, names: _Names) -> onnx.NodeProto:
    return helper.make_node(
        "Cast", [tensor.name], [output], names.fresh(f"{tensor.name}_widen"), to=_WIDE[tensor.data_type]
    )


def _put_first(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Put nodes that read initializers only before all others: the order stays topological."""
    behind = onnx.GraphProto(node=graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *behind.node])


def _drop_unread(graph: onnx.GraphProto, candidates: frozenset[str]) -> None:
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name in candidates - read]:
        graph.initializer.remove(tensor)
