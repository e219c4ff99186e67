"""From what reaches an operator back to the tensors that hold its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress_onnx.model.constants.graph_regions import Constant
from compress_onnx.model.constants.kinds import CODECS, ELEMENTWISE, MOVES, REORDERS, SELECTIONS, is_foreign
from compress_onnx.model.constants.values import Array, UnknownValueError, applied, value

_SAME_RANK = CODECS | {"Identity", "Neg", "Transpose"}
# Rank of what is computed when the model runs: taken for a matrix, as nothing else is multiplied by.
_LIKELY_RANK = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roots:
    """The tensors that a parameter is made of: stored ones, or what constants are combined to.

    ``places`` (the parameter's shape) numbers the elements of all ``tensors`` one after the other; it is ``None`` where each element of each tensor is there once.
    """

    tensors: tuple[Constant, ...]
    places: NDArray[np.int64] | None = None

    @property
    def is_part(self) -> bool:
        """Whether some element of the tensors is not in the parameter; others may be there several times."""
        return self.places is not None and np.unique(self.places).size < sum(map(size, self.tensors))


def roots(constant: Constant) -> Roots:
    """Return what a constant is made of."""
    inner = _behind(constant)
    if inner.kind in SELECTIONS:
        tensors = tuple(dict.fromkeys(one for data in _data(inner) for one in roots(data).tensors))
        return Roots(tensors=tensors, places=_places_of(inner, tensors))
    if inner.node is None and inner.stored is None:
        return Roots(tensors=tuple(dict.fromkeys(one for data in _data(inner) for one in roots(data).tensors)))
    return Roots(tensors=(inner,))


def rank(constant: Constant) -> int:
    """Return how many axes a constant has."""
    if constant.stored is not None:
        return len(constant.stored.dims)
    if constant.node is None or constant.kind in _SAME_RANK:
        below = constant.inputs[0]
        return _LIKELY_RANK if below is None else rank(below) - int(constant.sliced)
    if constant.kind == "Flatten":
        return 2
    try:
        return value(constant).ndim
    except UnknownValueError:
        return _LIKELY_RANK


def unmoved(constant: Constant) -> Constant:
    """Return the constant whose values another one has in another order or shape."""
    while constant.node is not None and constant.stored is None and constant.kind in REORDERS and constant.inputs[0]:
        constant = constant.inputs[0]
    return constant


def _behind(constant: Constant) -> Constant:
    """Go back as long as each value is made of one value of one tensor, all of them."""
    while True:
        below = _carried(constant)
        if below is None:
            return constant
        constant = below


def _carried(constant: Constant) -> Constant | None:
    if constant.stored is not None or constant.node is None:
        # What a loop hands on; of the ends of several branches there are several tensors.
        return constant.inputs[0] if constant.stored is None and len(constant.inputs) == 1 else None
    if is_foreign(constant.node):
        return max((one for one in constant.inputs if one is not None), key=_likely_size)
    if constant.kind in REORDERS | CODECS:
        return constant.inputs[0]
    if constant.kind == "Gather":
        return _looked_up(constant)
    return _changed(constant) if constant.kind in ELEMENTWISE else None


def _likely_size(constant: Constant) -> float:
    try:
        return size(constant)
    except UnknownValueError:
        return math.inf


def _looked_up(constant: Constant) -> Constant | None:
    """Return the integers that a Gather from a table of fewer numbers decodes, ``None`` where it only selects."""
    table, places = constant.inputs
    try:
        is_code = table is not None and places is not None and rank(table) == 1 and size(places) > size(table)
    except UnknownValueError:
        return None
    return places if is_code else None


def _changed(constant: Constant) -> Constant | None:
    """Return the input of an element-wise node that has all its elements, ``None`` if that are several or unknown."""
    given = [one for one in constant.inputs[int(constant.kind == "Where") :] if one is not None]
    try:
        sizes = [size(one) for one in constant.inputs if one is not None]
        full = [one for one in given if size(one) == max(sizes)]
        broadened = size(constant) != max(sizes)
    except UnknownValueError:
        return next((one for one in given if not one.known), None)
    same = sizes.count(max(sizes))
    return full[0] if len(full) == 1 and same == 1 and not broadened else None


def size(constant: Constant) -> int:
    """Return how many elements a constant has.

    Errors
    ------
    UnknownValueError
        if it depends on what is computed when the model runs.
    """
    if constant.stored is not None:
        return math.prod(constant.stored.dims)
    if constant.kind in REORDERS | CODECS | {"Abs", "Neg", "Sqrt", "Exp", "Round"} and constant.inputs[0] is not None:
        return size(constant.inputs[0])
    return int(value(constant).size)


def _data(constant: Constant) -> Sequence[Constant]:
    every = constant.kind in {"", "Concat"}
    return [one for one in (constant.inputs if every else constant.inputs[:1]) if one is not None]


def _places_of(constant: Constant, tensors: Sequence[Constant]) -> NDArray[np.int64] | None:
    starts: dict[Constant, int] = {}
    total = 0
    try:
        for tensor in tensors:
            starts[tensor] = total
            total += size(tensor)
        places = _places(constant, starts)
    except UnknownValueError:
        return None
    # A mere reordering of all of them, as a Concat is.
    whole = places.size == total and bool((np.sort(places, axis=None) == np.arange(total)).all())
    return None if whole and len(tensors) == 1 else places


def _places(constant: Constant, starts: dict[Constant, int]) -> NDArray[np.int64]:
    if constant in starts:
        shape = value(constant).shape
        return np.arange(starts[constant], starts[constant] + math.prod(shape), dtype=np.int64).reshape(shape)
    if constant.node is None or not constant.known:
        raise UnknownValueError(constant.name)
    if constant.kind in CODECS | ELEMENTWISE:
        below = _carried(constant)
        if below is None:
            raise UnknownValueError(constant.name)
        # Broadcasting over axes of one element may add some.
        return _places(below, starts).reshape(value(constant).shape)
    inputs: list[Array | None] = [None if one is None else value(one) for one in constant.inputs]
    for place in range(len(inputs) if constant.kind == "Concat" else 1):
        data = constant.inputs[place]
        inputs[place] = None if data is None else _places(data, starts)
    if constant.kind not in MOVES:
        raise UnknownValueError(constant.name)
    return np.asarray(applied(constant.node, inputs, opset=constant.region.opset)[constant.output], np.int64)


def keeps_zeros(constant: Constant) -> bool:
    """Tell whether a zero in the tensors that a constant is made of is a zero in the constant too."""
    if constant.stored is not None:
        return True
    kind = constant.kind
    if kind in MOVES | {"", "Cast", "CastLike"}:
        return all(keeps_zeros(one) for one in _data(constant))
    below = _carried(constant) if kind in {"Div", "Mul", "Neg"} else None
    return below is not None and (kind != "Div" or below is constant.inputs[0]) and keeps_zeros(below)


def foreign_kind(constant: Constant) -> str:
    """Return the operator of no known meaning through which a constant comes, empty where there is none.

    >>> foreign_kind(Constant(name="w", region=None))  # type: ignore[arg-type]
    ''
    """
    below: Constant | None = constant
    while below is not None:
        if below.node is not None and is_foreign(below.node):
            return below.kind
        below = _carried(below)
    return ""
