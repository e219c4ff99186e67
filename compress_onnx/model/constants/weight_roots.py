"""From what reaches an operator back to the tensors that hold its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress_onnx.model.constants.graph_regions import Term
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

    tensors: tuple[Term, ...]
    places: NDArray[np.int64] | None = None

    @property
    def is_part(self) -> bool:
        """Whether some element of the tensors is not in the parameter; others may be there several times."""
        return self.places is not None and np.unique(self.places).size < sum(map(size, self.tensors))


def roots(term: Term) -> Roots:
    """Return what a constant is made of."""
    inner = _behind(term)
    if inner.kind in SELECTIONS:
        found = tuple(dict.fromkeys(one for data in _data(inner) for one in roots(data).tensors))
        return Roots(tensors=found, places=_places_of(inner, found))
    if inner.node is None and inner.stored is None:
        return Roots(tensors=tuple(dict.fromkeys(one for data in _data(inner) for one in roots(data).tensors)))
    return Roots(tensors=(inner,))


def rank(term: Term) -> int:
    """Return how many axes a constant has."""
    if term.stored is not None:
        return len(term.stored.dims)
    if term.node is None or term.kind in _SAME_RANK:
        below = term.inputs[0]
        return _LIKELY_RANK if below is None else rank(below) - int(term.sliced)
    if term.kind == "Flatten":
        return 2
    try:
        return value(term).ndim
    except UnknownValueError:
        return _LIKELY_RANK


def unmoved(term: Term) -> Term:
    """Return the constant whose values another one has in another order or shape."""
    while term.node is not None and term.stored is None and term.kind in REORDERS and term.inputs[0]:
        term = term.inputs[0]
    return term


def _behind(term: Term) -> Term:
    """Go back as long as each value is made of one value of one tensor, all of them."""
    while True:
        below = _carried(term)
        if below is None:
            return term
        term = below


def _carried(term: Term) -> Term | None:
    if term.stored is not None or term.node is None:
        # What a loop hands on; of the ends of several branches there are several tensors.
        return term.inputs[0] if term.stored is None and len(term.inputs) == 1 else None
    if is_foreign(term.node):
        return max((one for one in term.inputs if one is not None), key=_likely_size)
    if term.kind in REORDERS | CODECS:
        return term.inputs[0]
    if term.kind == "Gather":
        return _looked_up(term)
    return _changed(term) if term.kind in ELEMENTWISE else None


def _likely_size(term: Term) -> float:
    try:
        return size(term)
    except UnknownValueError:
        return math.inf


def _looked_up(term: Term) -> Term | None:
    """Return the integers that a Gather from a table of fewer numbers decodes, ``None`` where it only selects."""
    table, places = term.inputs
    try:
        is_code = table is not None and places is not None and rank(table) == 1 and size(places) > size(table)
    except UnknownValueError:
        return None
    return places if is_code else None


def _changed(term: Term) -> Term | None:
    """Return the input of an element-wise node that has all its elements, ``None`` if that are several or unknown."""
    given = [one for one in term.inputs[int(term.kind == "Where") :] if one is not None]
    try:
        sizes = [size(one) for one in term.inputs if one is not None]
        full = [one for one in given if size(one) == max(sizes)]
        broadened = size(term) != max(sizes)
    except UnknownValueError:
        return next((one for one in given if not one.known), None)
    same = sizes.count(max(sizes))
    return full[0] if len(full) == 1 and same == 1 and not broadened else None


def size(term: Term) -> int:
    """Return how many elements a constant has.

    Errors
    ------
    UnknownValueError
        if it depends on what is computed when the model runs.
    """
    if term.stored is not None:
        return math.prod(term.stored.dims)
    if term.kind in REORDERS | CODECS | {"Abs", "Neg", "Sqrt", "Exp", "Round"} and term.inputs[0] is not None:
        return size(term.inputs[0])
    return int(value(term).size)


def _data(term: Term) -> Sequence[Term]:
    every = term.kind in {"", "Concat"}
    return [one for one in (term.inputs if every else term.inputs[:1]) if one is not None]


def _places_of(term: Term, tensors: Sequence[Term]) -> NDArray[np.int64] | None:
    starts: dict[Term, int] = {}
    total = 0
    try:
        for tensor in tensors:
            starts[tensor] = total
            total += size(tensor)
        found = _places(term, starts)
    except UnknownValueError:
        return None
    # A mere reordering of all of them, as a Concat is.
    whole = found.size == total and bool((np.sort(found, axis=None) == np.arange(total)).all())
    return None if whole and len(tensors) == 1 else found


def _places(term: Term, starts: dict[Term, int]) -> NDArray[np.int64]:
    if term in starts:
        shape = value(term).shape
        return np.arange(starts[term], starts[term] + math.prod(shape), dtype=np.int64).reshape(shape)
    if term.node is None or not term.known:
        raise UnknownValueError(term.name)
    if term.kind in CODECS | ELEMENTWISE:
        below = _carried(term)
        if below is None:
            raise UnknownValueError(term.name)
        # Broadcasting over axes of one element may add some.
        return _places(below, starts).reshape(value(term).shape)
    inputs: list[Array | None] = [None if one is None else value(one) for one in term.inputs]
    for place in range(len(inputs) if term.kind == "Concat" else 1):
        data = term.inputs[place]
        inputs[place] = None if data is None else _places(data, starts)
    if term.kind not in MOVES:
        raise UnknownValueError(term.name)
    return np.asarray(applied(term.node, inputs, opset=term.region.opset)[term.output], np.int64)


def keeps_zeros(term: Term) -> bool:
    """Tell whether a zero in the tensors that a constant is made of is a zero in the constant too."""
    if term.stored is not None:
        return True
    kind = term.kind
    if kind in MOVES | {"", "Cast", "CastLike"}:
        return all(keeps_zeros(one) for one in _data(term))
    below = _carried(term) if kind in {"Div", "Mul", "Neg"} else None
    return below is not None and (kind != "Div" or below is term.inputs[0]) and keeps_zeros(below)


def foreign_kind(term: Term) -> str:
    """Return the operator of no known meaning through which a constant comes, empty where there is none.

    >>> foreign_kind(Term(name="w", region=None))  # type: ignore[arg-type]
    ''
    """
    below: Term | None = term
    while below is not None:
        if below.node is not None and is_foreign(below.node):
            return below.kind
        below = _carried(below)
    return ""
