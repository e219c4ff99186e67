"""Weight and activation bits, read from the types that meet at each operator that has weights."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import onnx
from onnx import NodeProto, TensorProto

from compress_onnx.model.census.census import Weight, described, stored_bits
from compress_onnx.model.census.tally import tallied
from compress_onnx.model.census.uses import Use, kind_of, uses
from compress_onnx.model.constants import (
    FLOATS,
    PACKED,
    REORDERS,
    SELF_QUANTIZING,
    Constant,
    Region,
    inlined,
    is_integer,
    regions,
    roots,
)
from compress_onnx.model.nodes import attribute
from compress_onnx.records import Precision

_FLOAT_NAMES: dict[int, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.DOUBLE: "fp64",
}
_PASSED = REORDERS | {"MaxPool", "Relu", "Clip", "Concat", "Pad", "Slice", "Gather", "Expand", "Tile", "Split"}
# Where an operator with integer outputs names their type: the input of the zero point.
_OUTPUT_POINT = {"QLinearConv": 7, "QLinearMatMul": 7, "QGemm": 8, "QLinearAdd": 7, "QLinearMul": 7}
_OUTPUT_POINT |= dict.fromkeys(("QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearLeakyRelu"), 4)
_OUTPUT_POINT |= {"QLinearSigmoid": 4, "QLinearSoftmax": 4, "QLinearConcat": 1}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """What one operator multiplies: ``weight`` and ``activation`` bits, ``None`` where they are plain floats.

    Bits of 8-bit and narrower floats have an F before them, as ``F8``. ``name`` is that of the floats where both are; ``dynamic`` says that scales are chosen when it runs.
    """

    weight: str | None
    activation: str | None
    name: str = "fp32"
    dynamic: bool = False

    def __str__(self) -> str:
        if self.weight is None and self.activation is None:
            return self.name
        if self.activation is None:
            return f"W{self.weight} (weight only)"
        wide = self.weight or {"fp16": 16, "bf16": 16, "fp64": 64}.get(self.name, 32)
        return f"W{wide}A{self.activation}{' dynamic' if self.dynamic else ''}"


def precision_of(model: onnx.ModelProto) -> Precision:
    """Return weight and activation bits of a model as one name.

    Where all operators with weights are alike, it is theirs: ``fp32``, ``fp16``, ``w8a8`` and
    ``w4a8`` (values of :class:`~compress_onnx.records.Precision`), ``W8A16``, ``W4 (weight only)``,
    ``W8A8 dynamic``. Else shares are told, as ``W8A8 in 14 of 20``, where operators of float weights are those
    not named, unless all are floats.
    """
    every = widths(model)
    names = Counter(map(str, every))
    if not names:
        return Precision.FP32
    if len(names) == 1:
        (name,) = names
        return {"W8A8": Precision.W8A8, "W4A8": Precision.W4A8}.get(name) or Precision(name)
    named = {width for width in every if width.weight is not None}
    shares = names.most_common() if not named else [one for one in names.most_common() if one[0] in {*map(str, named)}]
    return Precision(", ".join(f"{name} in {count} of {names.total()}" for name, count in shares))


def widths(model: onnx.ModelProto) -> tuple[Width, ...]:
    """Return what every operator with weights multiplies, in graph order."""
    by_node: dict[int, Width] = {}
    plain = regions(inlined(model))
    for use in uses(plain):
        by_node.setdefault(id(use.node), width(use))
    return tuple(by_node.values())


def float_weights(model: onnx.ModelProto) -> tuple[Weight, ...]:
    """Return the weights of the census that some operator takes as plain floats, in graph order."""
    tallies = tallied(regions(inlined(model)))
    is_float = [any(width(use).weight is None for use in tally.uses) for tally in tallies]
    return tuple(itertools.compress(described(tallies), is_float))


def width(use: Use) -> Width:
    """Return what one operator multiplies its weight with, and in which types."""
    activation, dynamic = _activation(use)
    return Width(
        weight=_weight_bits(use),
        activation=activation,
        name=_FLOAT_NAMES.get(kind_of(use.constant), "fp32"),
        dynamic=dynamic,
    )


def _weight_bits(use: Use) -> str | None:
    if use.node.op_type in PACKED:
        return str(stored_bits(use.constant, use.node))
    kinds = [kind_of(tensor) for tensor in roots(use.constant).tensors]
    narrow = [_bits(kind) for kind in kinds if kind not in FLOATS]
    return max(narrow) if narrow else _rounded_bits(use.constant)


def _rounded_bits(constant: Constant) -> str | None:
    """Return the width that a float constant is rounded to on its way to the operator."""
    below: Constant | None = constant
    while below is not None and below.stored is None:
        if below.node is not None and below.node.op_type == "QuantizeLinear":
            return _bits(kind_of(below))
        below = below.inputs[0] if below.inputs else None
    return None


def _activation(use: Use) -> tuple[str | None, bool]:
    """Return the activation's bits, ``None`` for floats, and whether its scale is chosen when it runs."""
    node, slot = use.node, use.slot
    if node.op_type in SELF_QUANTIZING:
        return "8", True
    if len(node.input) <= slot.activation:
        return None, False
    name = node.input[slot.activation]
    if is_integer(slot):
        point = node.input[slot.point] if slot.point is not None and len(node.input) > slot.point else ""
        integers = _integer_kind(use.region, name, point)
        return integers.bits, integers.dynamic
    source = _dequantizer(use.region, name)
    if source is None:
        return None, False
    region, quantized = source
    point = quantized.input[2] if len(quantized.input) > 2 else ""
    integers = _integer_kind(region, quantized.input[0], point)
    return integers.bits, integers.dynamic


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    bits: str
    dynamic: bool


def _dequantizer(region: Region, name: str) -> tuple[Region, NodeProto] | None:
    while (made := region.maker(name)) is not None:
        region, node = made
        if node.op_type == "DequantizeLinear":
            return region, node
        if node.op_type not in REORDERS | {"Cast"} or not node.input:
            return None
        name = node.input[0]
    return None


def _integer_kind(region: Region, name: str, point: str) -> _Kind:
    """Return the width of an integer activation: by its zero point's type, else by what makes it."""
    kind = _type_of(region, point) if point else None
    dynamic = False
    while (made := region.maker(name)) is not None:
        region, node = made
        if node.op_type == "DynamicQuantizeLinear":
            kind, dynamic = kind or TensorProto.UINT8, True
        elif node.op_type == "QuantizeLinear":
            given = node.input[2] if len(node.input) > 2 else ""
            own = (_type_of(region, given) if given else None) or attribute(node, "output_dtype", 0)
            dynamic = bool(given) and region.constant(given) is None
            kind = kind or own or TensorProto.UINT8
        elif node.op_type in _OUTPUT_POINT and len(node.input) > _OUTPUT_POINT[node.op_type]:
            kind = kind or _type_of(region, node.input[_OUTPUT_POINT[node.op_type]])
        elif node.op_type in _PASSED and node.input:
            name = node.input[0]
            continue
        break
    return _Kind(bits=_bits(kind or _declared(region, name)), dynamic=dynamic)


def _type_of(region: Region, name: str) -> int | None:
    constant = region.constant(name)
    return None if constant is None else kind_of(constant)


def _declared(region: Region, name: str) -> int:
    """Return the type that the graph writes beside a name, uint8 as ONNX has it where there is none."""
    values = [] if isinstance(region.graph, onnx.FunctionProto) else [*region.graph.input, *region.graph.value_info]
    return next((value.type.tensor_type.elem_type for value in values if value.name == name), TensorProto.UINT8)


def _bits(kind: int) -> str:
    """Return a type's width, with an F before that of floats.

    >>> _bits(TensorProto.UINT4), _bits(TensorProto.FLOAT8E4M3FN), _bits(TensorProto.BOOL)
    ('4', 'F8', '8')
    """
    name = TensorProto.DataType.Name(kind)
    # Truth values and text take bytes.
    digits = "".join(itertools.takewhile(str.isdigit, name.lstrip("BFLOATUIN"))) or "8"
    return f"F{digits}" if "FLOAT" in name else digits
