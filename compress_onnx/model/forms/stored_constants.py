"""What weights, biases and statistics are made of by constant nodes, stored as one tensor each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import onnx
from onnx import GraphProto, NodeProto, numpy_helper

from compress_onnx.model.constants import (
    CODECS,
    MOVES,
    QUANTIZERS,
    Array,
    Constant,
    Region,
    UnknownValueError,
    roots,
    slots,
    value,
)
from compress_onnx.model.forms.graph_changes import drop_nodes, drop_unread, names_known, plain_regions, rename_stored
from compress_onnx.model.nodes import names_read_in

# What is computed of less may be large, but not absurd: ConstantOfShape makes any size of eight bytes.
_MOST_BYTES = 2**26


def with_stored_constants(model: onnx.ModelProto) -> None:
    """Store what weights, biases and statistics are made of by constant nodes, in place.

    Those nodes go, and the constants that only they read. Left are what is quantized, outputs, and what only moves its sources and is larger, or of which
    another node reads the sources too: one tensor stays one tensor. What is made of one tensor takes its name.
    """
    readers = Counter(names_read_in(model.graph))
    graphs = list(plain_regions(model))
    wanted = {*_parameters(graphs)}
    made: dict[str, str] = {}
    for region in graphs:
        given = {output.name for output in region.graph.output}
        folded = [
            node
            for node in region.nodes
            if not given & {*node.output} and wanted & {region.constants[name] for name in node.output if name}
            if _is_foldable(region, node, readers)
        ]
        drop_nodes(region, {id(node) for node in folded})
        read = {*names_read_in(region.graph)}
        for node in folded:
            for name in read.intersection(node.output):
                region.graph.initializer.append(numpy_helper.from_array(_value_of(region, name), name))
                made[name] = _root_name(region.constants[name])
    drop_unread(model.graph, readers)
    _take_names(model.graph, made)


def _parameters(graphs: Sequence[Region]) -> Iterator[Constant]:
    """Yield the constants that operators with weights and normalizations take, and those these are made of."""
    seen: set[Constant] = set()
    for region in graphs:
        for node in region.nodes:
            if slots(node) or node.op_type == "BatchNormalization":
                pending = [constant for name in node.input if name and (constant := region.constant(name)) is not None]
                while pending:
                    constant = pending.pop()
                    if constant not in seen:
                        seen.add(constant)
                        yield constant
                        pending += [one for one in constant.inputs if one is not None]


def _is_foldable(region: Region, node: NodeProto, readers: Counter[str]) -> bool:
    constants = [region.constants.get(name) for name in node.output if name]
    if node.op_type in QUANTIZERS | {"Constant"}:
        return False
    return bool(constants) and all(
        constant is not None and constant.known and _is_worth(constant, readers) for constant in constants
    )


def _is_worth(constant: Constant, readers: Counter[str]) -> bool:
    """Tell whether a constant should be stored as it is."""
    try:
        made = value(constant)
        sources = list(_sources(constant))
        larger = made.nbytes > sum(value(one).nbytes for one in sources)
    except UnknownValueError:
        return False
    if made.ndim < 2 or not _moves(constant):
        return not larger or made.nbytes <= _MOST_BYTES
    return not larger and not any(readers[one.name] > 1 for one in _path(constant))


def _moves(constant: Constant) -> bool:
    return constant.stored is None and constant.node is not None and constant.node.op_type in MOVES | CODECS


def _data(constant: Constant) -> Iterator[Constant]:
    every = constant.node is not None and constant.node.op_type == "Concat"
    yield from (one for one in (constant.inputs if every else constant.inputs[:1]) if one is not None)


def _sources(constant: Constant) -> Iterator[Constant]:
    """Yield the constants that others only move to make this one."""
    for one in _data(constant):
        yield from _sources(one) if _moves(one) else (one,)


def _path(constant: Constant) -> Iterator[Constant]:
    """Yield the constants between this one and its sources, with those."""
    for one in _data(constant):
        yield one
        if _moves(one):
            yield from _path(one)


def _value_of(region: Region, name: str) -> Array:
    constant = region.constants[name]
    if constant is None:
        raise AssertionError(name)
    return value(constant)


def _root_name(constant: Constant | None) -> str:
    """Return the name of the one stored tensor that a constant is made of, empty where there are several."""
    tensors = roots(constant).tensors if constant is not None else ()
    return tensors[0].name if len(tensors) == 1 and tensors[0].stored is not None else ""


def _take_names(graph: GraphProto, made: dict[str, str]) -> None:
    """Call what was made of one tensor as that was called, if nothing else is: people know it by that name."""
    alone, known = Counter(made.values()), {*names_known(graph)}
    names = {name: root for name, root in made.items() if root and alone[root] == 1 and root not in known}
    rename_stored(graph, names)
