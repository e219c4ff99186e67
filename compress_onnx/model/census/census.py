"""The census: every weight of a model, wherever it lies and in whichever form."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import onnx
from onnx import NodeProto, TensorProto, helper

from compress_onnx.model.census.packed import block_numbers, bnb4_numbers
from compress_onnx.model.census.tally import Tally, tallied
from compress_onnx.model.census.uses import kind_of, uses
from compress_onnx.model.constants import (
    FLOATS,
    PACKED,
    Array,
    Constant,
    UnknownValueError,
    inlined,
    is_quantizing,
    regions,
    roots,
    value,
)
from compress_onnx.model.nodes import attribute

_BITS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16,
    TensorProto.DOUBLE: 64,
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.INT2: 2,
    TensorProto.UINT2: 2,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One weight tensor of a model: the name it is stored under and the operators that it reaches.

    ``bits`` is the width of a stored element; ``elements`` and ``nonzero`` count the values that
    reach an operator, where a quantized value equal to its zero point is zero. ``place`` is empty in
    the main graph and else says what the tensor lies in.
    """

    name: str
    ops: tuple[str, ...]
    shape: tuple[int, ...]
    bits: int
    elements: int
    nonzero: int
    place: str = ""

    @property
    def is_unknown(self) -> bool:
        """Whether it is not known how many values it has: none are counted."""
        return not self.elements and 0 not in self.shape


def weights(model: onnx.ModelProto) -> tuple[Weight, ...]:
    """Return the census: every weight tensor, quantized or not, in graph order of first use, shared ones once."""
    return described(tallied(regions(inlined(model))))


def described(tallies: Sequence[Tally]) -> tuple[Weight, ...]:
    """Return what was counted as records, each under a name of its own."""
    names = names_of([tally.tensor for tally in tallies])
    return tuple(_weight(tally, name) for tally, name in zip(tallies, names, strict=True))


def _weight(tally: Tally, name: str) -> Weight:
    elements, alive = tally.counts()
    return Weight(
        name=name,
        ops=tuple(use.node.op_type for use in tally.uses),
        shape=_stored_shape(tally),
        bits=stored_bits(tally.tensor, tally.node),
        elements=elements,
        nonzero=alive,
        place=tally.tensor.region.place,
    )


def _stored_shape(tally: Tally) -> tuple[int, ...]:
    if tally.node.op_type in PACKED:
        return (int(attribute(tally.node, "K", 0)), int(attribute(tally.node, "N", 0)))
    if tally.tensor.stored is not None:
        return tuple(tally.tensor.stored.dims)
    try:
        return tuple(value(tally.tensor).shape)
    except UnknownValueError:
        return ()


def stored_bits(tensor: Constant, node: NodeProto) -> int:
    """Return the width of a stored element; several packed in a byte count as what they are."""
    if node.op_type in PACKED:
        return int(attribute(node, "bits", 4))
    kind = kind_of(tensor)
    return _BITS[kind] if kind in _BITS else 8 * int(helper.tensor_dtype_to_np_dtype(kind).itemsize)


def weight_numbers(model: onnx.ModelProto) -> Iterator[Array]:
    """Yield the stored numbers of every weight tensor of the census: floats, or integers one by one."""
    for tally in tallied(regions(inlined(model))):
        try:
            values = value(tally.tensor)
        except UnknownValueError:
            continue
        unpack = {"MatMulNBits": block_numbers, "MatMulBnb4": bnb4_numbers}.get(tally.node.op_type)
        yield values if unpack is None else unpack(tally.node, values)


def is_quantized(model: onnx.ModelProto) -> bool:
    """Tell whether a model computes with quantized values or holds weights as integers, wherever they lie."""
    found = regions(model)
    if any(is_quantizing(node) for region in found for _, node in region.walk()):
        return True
    return any(kind_of(tensor) not in FLOATS for use in uses(found) for tensor in roots(use.constant).tensors)


def names_of(tensors: Sequence[Constant]) -> list[str]:
    """Return a name for each tensor: its own, with its place before it where others are called the same."""
    taken = Counter(tensor.name for tensor in tensors)
    return [
        tensor.name if taken[tensor.name] == 1 or not tensor.region.place else f"{tensor.region.place}: {tensor.name}"
        for tensor in tensors
    ]
