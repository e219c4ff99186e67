"""The U8S8 nodes of a graph: uint8 activations times int8 weights, in the order the runtime adds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Geometry of a convolution: everything (height, width); pads are top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class U8S8:
    """One node: ``activation`` is the uint8 tensor it takes, ``weights`` (G, K, O) int8 what it multiplies with.

    G groups, O channels per group. K runs as ONNX Runtime's CPU kernels add products: kernel row,
    kernel column, input channel (it computes channels last), or input feature. ``window`` is
    ``None`` for a matrix product.
    """

    name: str
    op: str
    activation: str
    zero_point: int
    weights: NDArray[np.int8]
    window: Window | None


def u8s8_nodes(model: onnx.ModelProto) -> Iterator[U8S8]:
    """Yield the U8S8 nodes in graph order: Conv, Gemm and MatMul between Q/DQ nodes, and QLinearConv.

    Convolutions of other than two dimensions, and those padded by ``auto_pad``, are left out.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        found = _operands(node, makers)
        if found is None:
            continue
        activation, zero_name, weight_name = found
        zero, weight = stored.get(zero_name), stored.get(weight_name)
        if (
            zero is None
            or weight is None
            or (zero.data_type, weight.data_type) != (TensorProto.UINT8, TensorProto.INT8)
        ):
            continue
        values = numpy_helper.to_array(weight)
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        ordered = _ordered(node.op_type, values, attributes)
        if ordered is not None:
            yield U8S8(
                name=node.name or node.output[0],
                op=node.op_type,
                activation=activation,
                zero_point=int(numpy_helper.to_array(zero).reshape(-1)[0]),
                weights=ordered,
                window=_window(values.shape, attributes) if "Conv" in node.op_type else None,
            )


def _operands(node: NodeProto, makers: Mapping[str, NodeProto]) -> tuple[str, str, str] | None:
    """Return the names of the activation, its zero point and the weight, ``None`` for another kind of node."""
    if node.op_type == "QLinearConv":
        return node.input[0], node.input[2], node.input[3]
    if node.op_type not in {"Conv", "Gemm", "MatMul"}:
        return None
    pair = [makers.get(name) for name in node.input[:2]]
    if any(maker is None or maker.op_type != "DequantizeLinear" or len(maker.input) < 3 for maker in pair):
        return None
    first, second = (maker for maker in pair if maker is not None)
    return first.input[0], first.input[2], second.input[0]


def _ordered(op: str, values: NDArray[np.int8], attributes: Mapping[str, object]) -> NDArray[np.int8] | None:
    if "Conv" not in op:
        matrix = values.T if attributes.get("transB") else values
        plain = matrix.ndim == 2 and not attributes.get("transA")
        return matrix[None] if plain else None
    if values.ndim != 4 or attributes.get("auto_pad", b"NOTSET") not in {b"NOTSET", b"VALID"}:
        return None
    groups = attributes.get("group", 1)
    count = groups if isinstance(groups, int) else 1
    outputs, inputs, height, width = values.shape
    split = values.reshape(count, outputs // count, inputs, height, width)
    return split.transpose(0, 3, 4, 2, 1).reshape(count, height * width * inputs, outputs // count)


def _window(shape: tuple[int, ...], attributes: Mapping[str, object]) -> Window:
    def numbers(name: str, default: int, length: int) -> tuple[int, ...]:
        value = attributes.get(name)
        return tuple(int(one) for one in value) if isinstance(value, list | tuple) else (default,) * length

    pads = numbers("pads", 0, 4)
    strides, dilations = numbers("strides", 1, 2), numbers("dilations", 1, 2)
    return Window(
        kernel=(shape[2], shape[3]),
        strides=(strides[0], strides[1]),
        dilations=(dilations[0], dilations[1]),
        pads=(pads[0], pads[1], pads[2], pads[3]),
    )
