"""Which elements of a weight reach an operator, and which of those are zero, counted over all its uses."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from compress_onnx.model.census.packed import block_nonzero, bnb4_nonzero, without_filling
from compress_onnx.model.census.uses import Use, uses
from compress_onnx.model.constants import (
    BLOCKED_LAYOUT,
    Array,
    Constant,
    Region,
    Roots,
    UnknownValueError,
    array,
    is_integer,
    roots,
    shift,
    size,
    spread,
    unmoved,
    value,
)
from compress_onnx.model.nodes import attribute


@dataclasses.dataclass(slots=True, kw_only=True, eq=False)
class Tally:
    """What is counted of one tensor over its uses; ``reached`` and ``alive`` are ``None`` while it is used whole."""

    tensor: Constant
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


def tallied(tops: tuple[Region, ...]) -> tuple[Tally, ...]:
    """Return what the weights of a model's regions hold, one entry per tensor in order of first use."""
    tallies: dict[Constant, Tally] = {}
    for use in uses(tops):
        made_of = roots(use.constant)
        first = [tensor for tensor in made_of.tensors if tensor not in tallies]
        for tensor in made_of.tensors:
            tally = tallies.setdefault(tensor, Tally(tensor=tensor))
            tally.uses.append(use)
        if made_of.places is not None:
            _count_places(use, made_of, tallies)
        elif first:
            _count_whole(use, made_of, tallies)
    return tuple(tallies.values())


def _count_whole(use: Use, made_of: Roots, tallies: dict[Constant, Tally]) -> None:
    for tensor in made_of.tensors:
        if tallies[tensor].whole is None:
            try:
                mask = nonzero(use, unmoved(use.constant)) if len(made_of.tensors) == 1 else value(tensor) != 0
            except UnknownValueError:
                mask = _own(tensor)
            tallies[tensor].whole = (mask.size, int(np.count_nonzero(mask)))


def _own(tensor: Constant) -> NDArray[np.bool_]:
    """Return which elements of a stored tensor are not zero, where what is made of it cannot be known."""
    return np.asarray(array(tensor.stored) != 0) if tensor.stored is not None else np.ones(0, np.bool_)


def _count_places(use: Use, made_of: Roots, tallies: dict[Constant, Tally]) -> None:
    start = 0
    try:
        mask = nonzero(use, use.constant)
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


def nonzero(use: Use, constant: Constant) -> NDArray[np.bool_]:
    """Return which values of a weight, or of the ``constant`` it is moved from, are not zero.

    Errors
    ------
    UnknownValueError
        if the values depend on what is computed when the model runs.
    """
    try:
        return _nonzero(use, constant)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Numbers that do not fit their operator's attributes: the runtime will not load them either.
        raise UnknownValueError(use.constant.name) from error


def _nonzero(use: Use, constant: Constant) -> NDArray[np.bool_]:
    node = use.node
    if node.op_type == "MatMulNBits":
        return block_nonzero(node, value(use.constant), _input(use, 3), _input(use, 2))
    if node.op_type == "MatMulBnb4":
        return bnb4_nonzero(node, value(use.constant))
    if is_integer(use.slot):
        values = value(use.constant)
        return np.asarray(values.astype(np.int32) != _points(use, values.shape))
    if node.domain == BLOCKED_LAYOUT:
        return np.asarray(without_filling(value(use.constant), _input(use, 2)) != 0)
    return _nonzero_float(constant)


def _nonzero_float(constant: Constant) -> NDArray[np.bool_]:
    node = constant.node
    if constant.stored is None and constant.known and node is not None and node.op_type == "DequantizeLinear":
        inputs = [None if one is None else value(one) for one in constant.inputs]
        data, scale = inputs[0], inputs[1]
        if data is not None and scale is not None:
            centered = data.astype(np.float32) != shift(node, inputs)
            return np.asarray(centered & (spread(node, scale, data.shape) != 0))
    return np.asarray(value(constant) != 0)


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
    constant = use.region.constant(use.node.input[slot])
    return value(constant) if constant is not None and constant.known else None
