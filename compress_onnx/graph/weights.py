"""The weights of a graph: which initializers feed Conv, ConvTranspose, Gemm and MatMul, in which type."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.records import Precision

WEIGHTED_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_WEIGHT_SLOT = 1
_ZERO_POINT_SLOT = 2
_QUANTISED_OPS = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"}
)
_BITS: dict[int, int] = {
    onnx.TensorProto.FLOAT: 32,
    onnx.TensorProto.FLOAT16: 16,
    onnx.TensorProto.DOUBLE: 64,
    onnx.TensorProto.INT8: 8,
    onnx.TensorProto.UINT8: 8,
    onnx.TensorProto.INT4: 4,
    onnx.TensorProto.UINT4: 4,
}
_FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One weight tensor of a graph: the initializer that stores it and the operators that use it.

    ``bits`` is the width of a stored element; ``elements`` and ``nonzero`` count values, where a
    quantised value equal to its zero point is zero.
    """

    name: str
    ops: tuple[str, ...]
    shape: tuple[int, ...]
    bits: int
    elements: int
    nonzero: int


def prunable_initializers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Return the prunable initializers by name, in graph order of first use, shared ones once.

    Prunable is a float tensor of rank 2 or more in the weight slot of Conv, ConvTranspose, Gemm or
    MatMul. The tensors are those of the model, not copies.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, onnx.TensorProto] = {}
    for node in model.graph.node:
        if node.op_type in WEIGHTED_OPS and len(node.input) > _WEIGHT_SLOT:
            tensor = stored.get(node.input[_WEIGHT_SLOT])
            if tensor is not None and tensor.data_type in _FLOATS and len(tensor.dims) >= 2:
                found.setdefault(tensor.name, tensor)
    return found


def weights(model: onnx.ModelProto) -> tuple[Weight, ...]:
    """Return every weight tensor of rank 2 or more, quantised or not, in graph order of first use."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = {output: node for node in model.graph.node for output in node.output}
    users: dict[str, list[str]] = {}
    dequantisers: dict[str, onnx.NodeProto | None] = {}
    for node in model.graph.node:
        if node.op_type not in WEIGHTED_OPS or len(node.input) <= _WEIGHT_SLOT:
            continue
        name, dequantiser = _stored_behind(node.input[_WEIGHT_SLOT], producers)
        if name in stored and len(stored[name].dims) >= 2:
            users.setdefault(name, []).append(node.op_type)
            dequantisers[name] = dequantiser
    return tuple(
        _weight(stored[name], tuple(ops), _zero_points(stored[name], dequantisers[name], stored))
        for name, ops in users.items()
    )


def _stored_behind(name: str, producers: dict[str, onnx.NodeProto]) -> tuple[str, onnx.NodeProto | None]:
    """Follow DequantizeLinear and Cast up to the stored tensor; return its name and the dequantiser."""
    dequantiser = None
    while name in producers and producers[name].op_type in {"DequantizeLinear", "Cast"}:
        node = producers[name]
        if node.op_type == "DequantizeLinear":
            dequantiser = node
        name = node.input[0]
    return name, dequantiser


def _zero_points(
    tensor: onnx.TensorProto, dequantiser: onnx.NodeProto | None, stored: dict[str, onnx.TensorProto]
) -> NDArray[np.generic] | int:
    """Return the zero point of each element, in a shape that broadcasts against the tensor's."""
    if dequantiser is None or len(dequantiser.input) <= _ZERO_POINT_SLOT:
        return 0
    point = stored.get(dequantiser.input[_ZERO_POINT_SLOT])
    values = np.zeros(()) if point is None else numpy_helper.to_array(point)
    if not values.any():
        return 0
    axis = _integer(dequantiser, "axis", 1) % len(tensor.dims)
    if values.ndim == 1:
        return values.reshape([-1 if place == axis else 1 for place in range(len(tensor.dims))])
    block = _integer(dequantiser, "block_size", 0)
    return values.repeat(block, axis)[_first(tensor.dims[axis], axis)] if block else values


def _integer(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), default)


def _first(count: int, axis: int) -> tuple[slice, ...]:
    return (*[slice(None)] * axis, slice(count))


def _weight(tensor: onnx.TensorProto, ops: tuple[str, ...], zero: NDArray[np.generic] | int) -> Weight:
    values = numpy_helper.to_array(tensor)
    return Weight(
        name=tensor.name,
        ops=ops,
        shape=tuple(tensor.dims),
        bits=_BITS.get(tensor.data_type, 8 * values.dtype.itemsize),
        elements=values.size,
        nonzero=int(np.count_nonzero(values != zero)),
    )


def is_quantised(model: onnx.ModelProto) -> bool:
    """Tell whether the graph holds quantised nodes (QDQ or integer operators)."""
    return any(node.op_type in _QUANTISED_OPS or node.op_type.startswith("QLinear") for node in model.graph.node)


def precision(model: onnx.ModelProto) -> Precision:
    """Return weight and activation bits as one name, by what the graph stores."""
    if not is_quantised(model):
        return Precision.FP32
    bits = {weight.bits for weight in weights(model)}
    if bits == {4}:
        return Precision.W4A8
    return Precision.W8A8 if bits <= {8} else Precision.MIXED
