"""The census: every weight of a model, wherever it lies and in whichever form."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from compress_onnx.model.census.packed import block_nonzero, block_numbers, bnb4_nonzero, bnb4_numbers, without_filling
from compress_onnx.model.census.uses import Use, kind_of, uses
from compress_onnx.model.constants import (
    BLOCKED_LAYOUT,
    FLOATS,
    PACKED,
    Array,
    Region,
    Roots,
    Term,
    UnknownValueError,
    array,
    foreign_kind,
    inlined,
    is_integer,
    is_quantizing,
    keeps_zeros,
    regions,
    roots,
    shift,
    size,
    spread,
    unmoved,
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


@dataclasses.dataclass(slots=True, kw_only=True, eq=False)
class Tally:
    """What is counted of one tensor over its uses; ``reached`` and ``alive`` are ``None`` while it is used whole."""

    tensor: Term
    uses: list[Use] = dataclasses.field(default_factory=list)
    whole: tuple[int, int] | None = None
    reached: NDArray[np.bool_] | None = None
    alive: NDArray[np.bool_] | None = None

    @property
    def node(self) -> NodeProto:
        """The first operator that the tensor reaches."""
        return self.uses[0].node

    def counts(self) -> tuple[int, int]:
        """Return how many elements reach an operator, and how many of those are not zero."""
        if self.whole is not None:
            return self.whole
        if self.reached is None or self.alive is None:
            return 0, 0
        return int(self.reached.sum()), int((self.reached & self.alive).sum())


def weights(model: onnx.ModelProto) -> tuple[Weight, ...]:
    """Return the census: every weight tensor, quantized or not, in graph order of first use, shared ones once."""
    return described(tallied(regions(inlined(model))))


def described(tallies: Sequence[Tally]) -> tuple[Weight, ...]:
    """Return what was counted as records, each under a name of its own."""
    names = _names([tally.tensor for tally in tallies])
    return tuple(_weight(tally, name) for tally, name in zip(tallies, names, strict=True))


def tallied(found: tuple[Region, ...]) -> tuple[Tally, ...]:
    """Return what the weights of a model's regions hold, one entry per tensor in order of first use."""
    tallies: dict[Term, Tally] = {}
    for use in uses(found):
        made_of = roots(use.term)
        first = [tensor for tensor in made_of.tensors if tensor not in tallies]
        for tensor in made_of.tensors:
            tally = tallies.setdefault(tensor, Tally(tensor=tensor))
            tally.uses.append(use)
        if made_of.places is not None:
            _count_places(use, made_of, tallies)
        elif first:
            _count_whole(use, made_of, tallies)
    return tuple(tallies.values())


def _count_whole(use: Use, made_of: Roots, tallies: dict[Term, Tally]) -> None:
    for tensor in made_of.tensors:
        if tallies[tensor].whole is None:
            try:
                mask = nonzero(use, unmoved(use.term)) if len(made_of.tensors) == 1 else value(tensor) != 0
            except UnknownValueError:
                mask = _own(tensor)
            tallies[tensor].whole = (mask.size, int(np.count_nonzero(mask)))


def _own(tensor: Term) -> NDArray[np.bool_]:
    """Return which elements of a stored tensor are not zero, where what is made of it cannot be known."""
    return np.asarray(array(tensor.stored) != 0) if tensor.stored is not None else np.ones(0, np.bool_)


def _count_places(use: Use, made_of: Roots, tallies: dict[Term, Tally]) -> None:
    start = 0
    try:
        mask = nonzero(use, use.term)
    except UnknownValueError:
        mask = np.ones(() if made_of.places is None else made_of.places.shape, np.bool_)
    if made_of.places is None or mask.shape != made_of.places.shape:
        return
    for tensor in made_of.tensors:
        count = size(tensor)
        tally = tallies[tensor]
        reached = np.zeros(count, np.bool_) if tally.reached is None else tally.reached
        alive = np.zeros(count, np.bool_) if tally.alive is None else tally.alive
        here = made_of.places[(made_of.places >= start) & (made_of.places < start + count)] - start
        living = made_of.places[mask & (made_of.places >= start) & (made_of.places < start + count)] - start
        reached[here], alive[living] = True, True
        tally.reached, tally.alive = reached, alive
        start += count


def nonzero(use: Use, term: Term) -> NDArray[np.bool_]:
    """Return which values of a weight, or of the ``term`` it is moved from, are not zero.

    Errors
    ------
    UnknownValueError
        if the values depend on what is computed when the model runs.
    """
    try:
        return _nonzero(use, term)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Numbers that do not fit their operator's attributes: the runtime will not load them either.
        raise UnknownValueError(use.term.name) from error


def _nonzero(use: Use, term: Term) -> NDArray[np.bool_]:
    node = use.node
    if node.op_type == "MatMulNBits":
        return block_nonzero(node, value(use.term), _input(use, 3), _input(use, 2))
    if node.op_type == "MatMulBnb4":
        return bnb4_nonzero(node, value(use.term))
    if is_integer(use.slot):
        values = value(use.term)
        return np.asarray(values.astype(np.int32) != _points(use, values.shape))
    if node.domain == BLOCKED_LAYOUT:
        return np.asarray(without_filling(value(use.term), _input(use, 2)) != 0)
    return _nonzero_float(term)


def _nonzero_float(term: Term) -> NDArray[np.bool_]:
    node = term.node
    if term.stored is None and term.known and node is not None and node.op_type == "DequantizeLinear":
        inputs = [None if one is None else value(one) for one in term.inputs]
        data, scale = inputs[0], inputs[1]
        if data is not None and scale is not None:
            centered = data.astype(np.float32) != shift(node, inputs)
            return np.asarray(centered & (spread(node, scale, data.shape) != 0))
    return np.asarray(value(term) != 0)


def _points(use: Use, shape: tuple[int, ...]) -> Array:
    points = _input(use, use.slot.zero)
    if points is None or points.size == 1:
        return np.asarray(0 if points is None else points.reshape(()).astype(np.int32))
    axis = use.slot.axis % len(shape)
    if use.node.op_type == "QGemm" and attribute(use.node, "transB", 0):
        axis = 0
    wide = points.astype(np.int32)
    if wide.ndim == 1:
        return wide.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    # DynamicQuantizeLSTM: (directions, columns) for (directions, rows, columns).
    return wide[:, None] if wide.ndim == len(shape) - 1 else wide


def _input(use: Use, slot: int | None) -> Array | None:
    """Return the constant in an input slot, ``None`` where there is none."""
    if slot is None or len(use.node.input) <= slot or not use.node.input[slot]:
        return None
    term = use.region.term(use.node.input[slot])
    return value(term) if term is not None and term.known else None


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


def stored_bits(tensor: Term, node: NodeProto) -> int:
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


def prunable_initializers(model: onnx.ModelProto) -> dict[str, TensorProto]:
    """Return the stored float tensors of the census by name, in graph order of first use, shared ones once.

    The tensors are those of the model, not copies: zeros written there are zeros where they are
    multiplied. What else the census counts is :func:`out_of_reach`, and most of that is in reach of
    the model that :func:`~compress_onnx.model.forms.normalize.normalized` returns.
    """
    return {name: found for name, found in _reach(model).items() if not isinstance(found, str)}


def out_of_reach(model: onnx.ModelProto) -> dict[str, str]:
    """Return by name why a weight of the census is not among the prunable initializers."""
    return {name: found for name, found in _reach(model).items() if isinstance(found, str)}


def _reach(model: onnx.ModelProto) -> dict[str, TensorProto | str]:
    found: dict[Term, TensorProto | str] = {}
    for use in uses(regions(model)):
        made_of = roots(use.term)
        for tensor in made_of.tensors:
            why = _why_not(use, tensor, in_part=made_of.is_part)
            if why or tensor not in found:
                found[tensor] = why or _proto(tensor)
    return dict(zip(_names([*found]), found.values(), strict=True))


def _proto(tensor: Term) -> TensorProto:
    if not isinstance(tensor.stored, TensorProto):
        raise TypeError(tensor.name)
    return tensor.stored


def _why_not(use: Use, tensor: Term, *, in_part: bool) -> str:
    """Return why zeros cannot be written into a tensor for an operator, empty where they can."""
    if kind_of(tensor) not in FLOATS:
        return "stored as integers"
    if isinstance(tensor.region.graph, onnx.FunctionProto):
        return f"in {tensor.region.place}, which cannot be inlined"
    if tensor.stored is None:
        return f"made by {tensor.kind or 'a loop'} when the model is loaded"
    if not isinstance(tensor.stored, TensorProto):
        return "stored sparsely"
    return _why_not_there(use) or ("used in part" if in_part else "")


def _why_not_there(use: Use) -> str:
    """Return what an operator does to a tensor so that zeros in it are none, empty where they are."""
    if use.slot.weight is None:
        return f"an attribute of {use.node.op_type}"
    if use.node.domain == BLOCKED_LAYOUT:
        return "in the order of one CPU's kernels"
    if foreign := foreign_kind(use.term):
        return f"behind {foreign}, which is not known here"
    return "" if keeps_zeros(use.term) else "changed by other constants"


def _names(tensors: Sequence[Term]) -> list[str]:
    """Return a name for each tensor: its own, with its place before it where others are called the same."""
    taken = Counter(tensor.name for tensor in tensors)
    return [
        tensor.name if taken[tensor.name] == 1 or not tensor.region.place else f"{tensor.region.place}: {tensor.name}"
        for tensor in tensors
    ]


def is_quantized(model: onnx.ModelProto) -> bool:
    """Tell whether a model computes with quantized values or holds weights as integers, wherever they lie."""
    found = regions(model)
    if any(is_quantizing(node) for region in found for _, node in region.walk()):
        return True
    return any(kind_of(tensor) not in FLOATS for use in uses(found) for tensor in roots(use.term).tensors)
