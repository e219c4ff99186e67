"""One float type inside: bodies in float16, bfloat16 or double computed in float32, as the integer kernels' scales are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from compress_onnx.model import copied

_OTHER_FLOATS = frozenset({TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})
# Attributes that hold an element type: of Cast, of the random operators, of dequantizers.
_TYPE_ATTRIBUTES = frozenset({"to", "dtype", "output_dtype"})


def single_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with every float16, bfloat16 and double tensor inside it in float32; itself if there is none.

    What goes in and comes out keeps its type. Casts between float types stay, and do nothing.
    """
    copy = copied(model)
    changed = [_graph(copy.graph), *(_nodes(function.node) for function in copy.functions)]
    return copy if any(changed) else model


def _graph(graph: onnx.GraphProto) -> bool:
    changed = [_tensor(tensor) for tensor in graph.initializer]
    changed += [_value(value) for value in graph.value_info]
    return any(changed) | _nodes(graph.node)


def _nodes(nodes: Iterable[onnx.NodeProto]) -> bool:
    return any([_attribute(attribute) for node in nodes for attribute in node.attribute])  # noqa: C419  # all of them are converted


def _attribute(attribute: onnx.AttributeProto) -> bool:
    if attribute.type == onnx.AttributeProto.INT:
        if attribute.name not in _TYPE_ATTRIBUTES or attribute.i not in _OTHER_FLOATS:
            return False
        attribute.i = TensorProto.FLOAT
        return True
    tensors = [attribute.t] if attribute.type == onnx.AttributeProto.TENSOR else attribute.tensors
    graphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
    return any([_tensor(tensor) for tensor in tensors] + [_graph(graph) for graph in graphs])


def _tensor(tensor: onnx.TensorProto) -> bool:
    if tensor.data_type not in _OTHER_FLOATS:
        return False
    with np.errstate(over="ignore"):
        values = numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return True


def _value(value: onnx.ValueInfoProto) -> bool:
    if value.type.tensor_type.elem_type not in _OTHER_FLOATS:
        return False
    value.type.tensor_type.elem_type = TensorProto.FLOAT
    return True
