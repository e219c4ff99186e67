"""The integer nodes of a graph that the runtime optimized, and which of their kernels saturate where.

Measured node by node on an AVX2-only CPU, under ``qemu-x86_64 -cpu Haswell`` (equal in every
case) and under ``qemu-aarch64 -cpu cortex-a72``, ONNX Runtime 1.32 and 1.27:

==============================================  ==================  =====================
kernel                                          x86-64 without VNNI  x86-64 with, AArch64
==============================================  ==================  =====================
QLinearConv U8S8, dense or grouped, 1-D to 3-D  saturates            exact
QLinearConv U8S8, depthwise                     exact                exact
QGemm, QLinearMatMul, MatMulInteger,
MatMulIntegerToFloat, U8S8                      saturates            exact
ConvInteger U8S8 (weights come first)           exact                exact
any of these with S8S8 or U8U8                  exact                exact
==============================================  ==================  =====================

Depthwise is one channel in and one out per group; two out per group run as a grouped convolution.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from compress_onnx.ort.integer.arithmetic import Levels, image_columns, lost, matrix_columns, pairs_at_risk, sums
from compress_onnx.ort.integer.types import element_types
from compress_onnx.ort.integer.window import KernelWindow, kernel_window


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Which input of an integer operator is what; ``None`` where it has none of the kind."""

    activation: int = 0
    activation_scale: int | None = None
    activation_zero: int
    weight: int
    weight_scale: int | None = None
    weight_zero: int
    result_scale: int | None = None
    result_zero: int | None = None
    bias: int | None = None


_QLINEAR = Slots(
    activation_scale=1,
    activation_zero=2,
    weight=3,
    weight_scale=4,
    weight_zero=5,
    result_scale=6,
    result_zero=7,
)
_BARE = Slots(weight=1, activation_zero=2, weight_zero=3)
SLOTS: Mapping[str, Slots] = MappingProxyType(
    {
        "ConvInteger": _BARE,
        "MatMulInteger": _BARE,
        "MatMulIntegerToFloat": Slots(
            weight=1, activation_scale=2, weight_scale=3, activation_zero=4, weight_zero=5, bias=6
        ),
        "QGemm": dataclasses.replace(_QLINEAR, bias=6, result_scale=7, result_zero=8),
        "QLinearConv": dataclasses.replace(_QLINEAR, bias=8),
        "QLinearMatMul": _QLINEAR,
    }
)
CONVOLUTIONS = frozenset({"ConvInteger", "QLinearConv"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntegerNode:
    """One integer product with constant weights, as the runtime computes it.

    ``name`` is the node's in the user's file, ``place`` its index there. ``weights`` (G, K, O) are the stored integers: G
    groups, O outputs per group, K in the order of :func:`~compress_onnx.ort.integer.arithmetic.image_columns`.
    ``window`` is ``None`` for a matrix product; ``unsigned`` tells uint8 activations from int8 ones.
    ``stored`` holds the inputs that are constant, by slot.
    """

    name: str
    place: int
    proto: NodeProto
    weights: Levels
    window: KernelWindow | None
    unsigned: bool
    channels_last: bool
    attributes: Mapping[str, Any]
    stored: Mapping[int, NDArray[Any]]

    @property
    def op(self) -> str:
        """Name of the operator."""
        return str(self.proto.op_type)

    @property
    def slots(self) -> Slots:
        """Which input is what."""
        return SLOTS[self.op]

    @property
    def activation(self) -> str:
        """Name of the tensor of integers that the weights multiply."""
        return str(self.proto.input[self.slots.activation])

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[0] * self.weights.shape[2])

    @property
    def adds_pairs(self) -> bool:
        """Whether the kernel for it adds pairs of products in int16 on an x86-64 CPU without VNNI."""
        u8s8 = self.unsigned and self.weights.dtype == np.int8
        return u8s8 and self.op != "ConvInteger" and not self._depthwise

    @property
    def _depthwise(self) -> bool:
        if self.window is None:
            return False
        groups, inner, outputs = self.weights.shape
        return bool(groups > 1 and outputs == 1 and inner == math.prod(self.window.kernel))

    def risks(self) -> NDArray[np.bool_]:
        """Return which pairs can overflow, (G, ceil(K / 2), O); none where the kernel does not add pairs."""
        groups, inner, outputs = self.weights.shape
        if not self.adds_pairs:
            return np.zeros((groups, -(-inner // 2), outputs), bool)
        return np.stack([pairs_at_risk(group) for group in self.weights])

    def constant(self, slot: int | None) -> NDArray[Any] | None:
        """Return a constant input, ``None`` where it is absent or computed."""
        return None if slot is None else self.stored.get(slot)

    def columns(self, levels: Levels, zero_point: int) -> list[Levels]:
        """Return per group what the weights multiply, (K, *positions), for activations as the node takes them."""
        if self.window is None:
            return [matrix_columns(levels)]
        images = np.moveaxis(levels, -1, 1) if self.channels_last else levels
        parts = np.split(images, len(self.weights), axis=1)
        return [image_columns(part, self.window, zero_point) for part in parts]

    def lost(self, levels: NDArray[np.uint8], zero_point: int) -> NDArray[np.int64]:
        """Return what saturation takes from each sum of products, in the shape of the node's output."""
        return self._collected(self.columns(levels, zero_point), lost)

    def sums(self, levels: Levels, zero_point: int, *, saturating: bool) -> NDArray[np.int64]:
        """Return the sums of raw products, in the shape of the node's output, with or without saturation."""
        columns = self.columns(levels, zero_point)
        exact = self._collected(columns, sums)
        return exact + self._collected(columns, lost) if saturating and self.adds_pairs else exact

    def totals(self, levels: Levels, zero_point: int) -> NDArray[np.int64]:
        """Return the sums of activations that each output sees, in the shape of the node's output."""
        return self._collected(self.columns(levels, zero_point), _repeated)

    def _collected(self, columns: list[Levels], compute: Any) -> NDArray[np.int64]:
        places = columns[0].shape[1:]
        parts = [
            compute(part.reshape(len(part), -1), weights) for part, weights in zip(columns, self.weights, strict=True)
        ]
        collected = np.concatenate(parts).reshape(self.channels, *places)
        return np.moveaxis(collected, 0, -1 if self.window is None or self.channels_last else 1)


def _repeated(columns: Levels, weights: Levels) -> NDArray[np.int64]:
    """Return the sum of each column, once per output channel."""
    totals = columns.astype(np.int64).sum(axis=0)
    return np.broadcast_to(totals, (weights.shape[1], len(totals)))


def integer_nodes(model: onnx.ModelProto, origins: Mapping[str, tuple[int, str]]) -> Iterator[IntegerNode]:
    """Yield the integer products with constant weights of an optimized graph, in graph order.

    ``origins`` gives a node's place and name in the user's file by its name in the graph.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    kinds = element_types(model)
    for node in model.graph.node:
        if node.op_type in SLOTS:
            integer = _integer_node(node, stored, kinds)
            if integer is not None:
                place, name = origins.get(node.name, (-1, node.name))
                yield dataclasses.replace(integer, place=place, name=name)


def _integer_node(
    node: NodeProto, stored: Mapping[str, onnx.TensorProto], kinds: Mapping[str, int]
) -> IntegerNode | None:
    slots = SLOTS[node.op_type]
    constants = {slot: numpy_helper.to_array(stored[name]) for slot, name in enumerate(node.input) if name in stored}
    values = constants.get(slots.weight)
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    ordered = None if values is None else _ordered(node.op_type, values, attributes)
    if values is None or ordered is None:
        return None
    return IntegerNode(
        name=node.name,
        place=-1,
        proto=node,
        weights=ordered,
        window=kernel_window(values.shape[2:], attributes) if node.op_type in CONVOLUTIONS else None,
        unsigned=kinds.get(node.input[slots.activation]) == onnx.TensorProto.UINT8,
        channels_last=bool(attributes.get("channels_last", 0)),
        attributes=attributes,
        stored=constants,
    )


def _ordered(op: str, values: NDArray[Any], attributes: Mapping[str, Any]) -> Levels | None:
    """Return stored weights as (G, K, O), ``None`` for a stack of matrices or a turned activation."""
    if op not in CONVOLUTIONS:
        plain = values.ndim == 2 and not attributes.get("transA")
        return (values.T if attributes.get("transB") else values)[None] if plain else None
    groups = int(attributes.get("group", 1))
    split = values.reshape(groups, len(values) // groups, *values.shape[1:])
    return np.moveaxis(split, (1, 2), (-1, -2)).reshape(groups, -1, len(values) // groups)
