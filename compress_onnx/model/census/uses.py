"""Which operators take weights, which constants those are, and of which type."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from compress_onnx.model.constants import (
    ELEMENTWISE,
    FLOATS,
    MOVES,
    PACKED,
    Constant,
    Region,
    Slot,
    UnknownValueError,
    coefficients,
    is_integer,
    rank,
    slots,
    value,
)
from compress_onnx.model.nodes import attribute


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Use:
    """An operator that takes a weight: the node, its region, the slot, and the constant in that slot."""

    region: Region
    node: NodeProto
    slot: Slot
    constant: Constant


def uses(found: tuple[Region, ...]) -> Iterator[Use]:
    """Yield every operator that takes a weight: a constant of rank 2 or more in one of its slots for weights.

    An operator that combines constants only is none: what it makes is a constant itself. A weight is
    a float, but where the operator takes integers.
    """
    for top in found:
        for region, node in top.walk():
            if node.output and region.constant(node.output[0]) is not None:
                continue
            for slot in slots(node):
                constant = _in_slot(region, node, slot)
                if constant is not None and _is_weight(node, slot, constant):
                    yield Use(region=region, node=node, slot=slot, constant=constant)
            if coefficients(node):
                yield Use(region=region, node=node, slot=Slot(weight=None), constant=_held(region, node))


def _in_slot(region: Region, node: NodeProto, slot: Slot) -> Constant | None:
    return (
        region.constant(node.input[slot.weight]) if slot.weight is not None and len(node.input) > slot.weight else None
    )


def _held(region: Region, node: NodeProto) -> Constant:
    """Return the weights that a node holds as an attribute, one row per output."""
    kind = coefficients(node)
    values = np.array(attribute(node, kind, []), np.float32)
    rows = int(attribute(node, "targets", 0)) or max(1, len(attribute(node, "intercepts", [])))
    shape = (rows, -1) if values.size % rows == 0 else (1, -1)
    tensor = numpy_helper.from_array(values.reshape(shape), f"{node.name or node.output[0]}.{kind}")
    return Constant(name=tensor.name, region=region, stored=tensor)


def _is_weight(node: NodeProto, slot: Slot, constant: Constant) -> bool:
    if node.op_type in PACKED:
        return True
    return rank(constant) >= 2 and (is_integer(slot) or kind_of(constant) in FLOATS)


def kind_of(constant: Constant) -> int:
    """Return the ONNX type of a constant's elements."""
    if constant.stored is not None:
        return int(
            constant.stored.data_type if isinstance(constant.stored, TensorProto) else constant.stored.values.data_type
        )
    node, kind = constant.node, constant.kind
    if node is not None and kind == "Cast":
        return int(attribute(node, "to", TensorProto.FLOAT))
    if node is not None and kind in {"DequantizeLinear", "CastLike"}:
        given = attribute(node, "output_dtype", 0)
        below = constant.inputs[1]
        return int(given) or (TensorProto.FLOAT if below is None else kind_of(below))
    if node is not None and kind == "QuantizeLinear":
        point = constant.inputs[2] if len(constant.inputs) > 2 else None
        return int(attribute(node, "output_dtype", 0)) or (TensorProto.UINT8 if point is None else kind_of(point))
    if kind not in MOVES | ELEMENTWISE | {""}:
        return _kind_of_value(constant)
    data = constant.inputs[int(kind == "Where")]
    return TensorProto.FLOAT if data is None else kind_of(data)


def _kind_of_value(constant: Constant) -> int:
    try:
        return int(helper.np_dtype_to_tensor_dtype(value(constant).dtype))
    except UnknownValueError:
        # Never passed over: what reaches an operator's parameter is a float, if it cannot be known.
        return next((kind for one in constant.inputs if one and (kind := kind_of(one)) in FLOATS), TensorProto.FLOAT)
