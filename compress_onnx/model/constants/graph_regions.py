"""A model as nested regions, each with the names it knows: which of them are constant, and made how."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from compress_onnx.model.constants.kinds import ELEMENTWISE, STANDARD, STEADY, is_foreign, is_random
from compress_onnx.model.nodes import attribute, nested

Stored = TensorProto | SparseTensorProto
# Deeper chains of constants are no weights that a tool writes.
_DEEPEST = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constant:
    """A constant value: ``stored`` in the file, or made by ``node`` of other constants.

    ``inputs`` are ``None`` where an optional input is absent, or computed when the model runs: then the constant is
    not ``known``, though it holds what its first input holds. Without a node, it is what a loop or a branch hands on;
    ``sliced`` where a loop hands it on row by row.
    """

    name: str
    region: Region
    stored: Stored | None = None
    node: NodeProto | None = None
    output: int = 0
    inputs: tuple[Constant | None, ...] = ()
    known: bool = True
    depth: int = 0
    sliced: bool = False

    @property
    def kind(self) -> str:
        """The operator that makes it, with the domain where it is not known here what that computes; else empty."""
        if self.node is None:
            return ""
        return f"{self.node.domain}.{self.node.op_type}" if is_foreign(self.node) else str(self.node.op_type)


class Region:
    """The main graph, a branch or loop body, or a function that could not be inlined; ``place`` says which.

    ``constants`` holds what its names are: a :class:`Constant`, or ``None`` for what depends on the input.
    """

    def __init__(self, graph: onnx.GraphProto | onnx.FunctionProto, place: str, parent: Region | None) -> None:
        self.graph = graph
        self.place = place
        self.parent = parent
        # Kept, so that a node's identity lasts as long as the region.
        self.nodes: Sequence[NodeProto] = list(graph.node)
        self.constants: dict[str, Constant | None] = {}
        self.makers: dict[str, NodeProto] = {}
        self.inner: dict[int, tuple[Region, ...]] = {}
        self.opset: int = parent.opset if parent else 0

    def constant(self, name: str) -> Constant | None:
        """Return the constant of this name, here or outside, ``None`` where it is computed."""
        region: Region | None = self
        while region is not None:
            if name in region.constants:
                return region.constants[name]
            region = region.parent
        return None

    def maker(self, name: str) -> tuple[Region, NodeProto] | None:
        """Return the node that makes a name, with its region."""
        region: Region | None = self
        while region is not None:
            if name in region.constants:
                node = region.makers.get(name)
                return None if node is None else (region, node)
            region = region.parent
        return None

    def walk(self) -> Iterator[tuple[Region, NodeProto]]:
        """Yield every node with its region, those inside a node before the node itself."""
        for node in self.nodes:
            for region in self.inner.get(id(node), ()):
                yield from region.walk()
            yield self, node


def regions(model: onnx.ModelProto) -> tuple[Region, ...]:
    """Return the main graph with all that is nested in it, then functions, of which none should be left."""
    main = Region(model.graph, "", None)
    main.opset = _default_opset(model.opset_import)
    _fill(main, model.graph)
    every = [main]
    for function in model.functions:
        region = Region(function, f"function {function.domain}.{function.name}", None)
        region.opset = _default_opset(function.opset_import)
        region.constants.update(dict.fromkeys(function.input))
        _read_nodes(region)
        every.append(region)
    return tuple(every)


def _default_opset(imports: Sequence[onnx.OperatorSetIdProto]) -> int:
    return next((entry.version for entry in imports if entry.domain in STANDARD), 0)


def _fill(region: Region, graph: onnx.GraphProto) -> None:
    for value in graph.input:
        region.constants.setdefault(value.name, None)
    tensors: list[tuple[str, Stored]] = [(tensor.name, tensor) for tensor in graph.initializer]
    tensors += [(sparse.values.name, sparse) for sparse in graph.sparse_initializer]
    for name, tensor in tensors:
        region.constants[name] = Constant(name=name, region=region, stored=tensor)
    _read_nodes(region)


def _read_nodes(region: Region) -> None:
    for node in region.nodes:
        region.inner[id(node)] = tuple(_inner(region, node))
        for place, name in enumerate(node.output):
            if name:
                region.makers[name] = node
                region.constants[name] = _term(region, node, place)


def _inner(region: Region, node: NodeProto) -> Iterator[Region]:
    for name, graph in nested(node):
        yield _inside(region, node, graph, f"{name} of {node.op_type} {node.name or node.output[0]!r}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Handed:
    """A constant that a loop hands to its body: its ``name`` there, and which output of the body is the next turn's.

    That is ``None`` where the body gets one slice of it after another.
    """

    name: str
    outer: Constant
    back: str | None

    def passed(self, inside: Region) -> Constant:
        return self.outer if self.back is not None else _passed(inside, self.name, (self.outer,), sliced=True)

    def is_kept(self, inside: Region) -> bool:
        """Tell whether it is the same in every turn: what begins as a constant need not stay one."""
        return self.back is None or inside.constant(self.back) is self.outer


def _inside(region: Region, node: NodeProto, graph: onnx.GraphProto, place: str) -> Region:
    handed = _handed_in(region, node, graph)
    while True:
        inside = Region(graph, place, region)
        inside.constants.update({one.name: one.passed(inside) for one in handed})
        _fill(inside, graph)
        steady = [one for one in handed if one.is_kept(inside)]
        if len(steady) == len(handed):
            return inside
        handed = steady


def _handed_in(region: Region, node: NodeProto, graph: onnx.GraphProto) -> list[_Handed]:
    taken = list(zip(graph.input, node.input, strict=False))
    given: list[str | None] = [output.name for output in graph.output]
    if node.op_type == "Loop":
        # Before the states stand the turn's number and the condition, which the body hands on.
        taken, given = taken[2:], given[1:]
    elif node.op_type != "Scan" or len(graph.input) != len(node.input):
        return []
    else:
        states = len(node.input) - attribute(node, "num_scan_inputs", 0)
        given = [*given[:states], *[None] * (len(node.input) - states)]
    constants = [(formal.name, region.constant(name), back) for (formal, name), back in zip(taken, given, strict=False)]
    return [_Handed(name=name, outer=outer, back=back) for name, outer, back in constants if outer is not None]


def _passed(region: Region, name: str, inputs: tuple[Constant, ...], *, sliced: bool = False) -> Constant:
    depth = 1 + max(constant.depth for constant in inputs)
    return Constant(name=name, region=region, inputs=inputs, known=False, depth=depth, sliced=sliced)


def _term(region: Region, node: NodeProto, place: int) -> Constant | None:
    if node.op_type == "If":
        ends = [(inside, inside.graph.output[place]) for inside in region.inner[id(node)]]
        handed_out = [inside.constant(end if isinstance(end, str) else end.name) for inside, end in ends]
        chosen = tuple(constant for constant in handed_out if constant is not None)
        return _passed(region, node.output[place], chosen) if chosen and len(chosen) == len(handed_out) else None
    if node.op_type == "Constant":
        stored = held(node)
        return None if stored is None else Constant(name=node.output[0], region=region, stored=stored, node=node)
    if region.inner[id(node)]:
        return _handed_on(region, node, place)
    return None if not node.input or is_random(node) else _made(region, node, place)


def _handed_on(region: Region, node: NodeProto, place: int) -> Constant | None:
    """Return what a loop gives as a state that its body never changes, ``None`` of other outputs."""
    (inside, *_) = region.inner[id(node)]
    states = [output.name for output in inside.graph.output][int(node.op_type == "Loop") :]
    given = {one.back: one for one in _handed_in(region, node, inside.graph) if one.back is not None}
    state = given.get(states[place]) if place < len(states) else None
    return state.outer if state is not None and state.is_kept(inside) else None


def _made(region: Region, node: NodeProto, place: int) -> Constant | None:
    inputs = tuple(region.constant(name) if name else None for name in node.input)
    computed = any(name and constant is None for name, constant in zip(node.input, inputs, strict=True))
    if inputs[0] is None or (computed and (node.op_type not in STEADY or is_foreign(node))):
        return None
    if node.op_type == "Identity" and not is_foreign(node):
        return inputs[0]
    given = [constant for constant in inputs if constant is not None]
    if (
        not is_foreign(node)
        and node.op_type not in STEADY | ELEMENTWISE
        and not all(constant.known for constant in given)
    ):
        return None
    depth = 1 + max(constant.depth for constant in given)
    if depth > _DEEPEST:
        return _passed(region, node.output[place], (_beginning(inputs[0]),))
    known = not computed and not is_foreign(node) and all(constant.known for constant in given)
    return Constant(
        name=node.output[place], region=region, node=node, output=place, inputs=inputs, known=known, depth=depth
    )


def _beginning(constant: Constant) -> Constant:
    while constant.inputs and constant.inputs[0] is not None:
        constant = constant.inputs[0]
    return constant


def held(node: NodeProto) -> Stored | None:
    """Return what a Constant node holds, in whichever attribute, ``None`` for text."""
    for entry in node.attribute:
        if entry.name in {"value", "sparse_value"}:
            stored: Stored = entry.t if entry.name == "value" else entry.sparse_tensor
            return stored
        if entry.name in {"value_float", "value_floats"}:
            return numpy_helper.from_array(np.array(helper.get_attribute_value(entry), np.float32))
        if entry.name in {"value_int", "value_ints"}:
            return numpy_helper.from_array(np.array(helper.get_attribute_value(entry), np.int64))
    return None


def stored_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor that a model holds: initializers, sparse ones' values, constants; nested ones and functions'."""
    yield from _stored_in(model.graph)
    for function in model.functions:
        yield from _stored_by(function.node)


def _stored_in(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _stored_by(graph.node)


def _stored_by(nodes: Sequence[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for entry in node.attribute:
            if entry.type == AttributeProto.TENSOR:
                yield entry.t
            elif entry.type == AttributeProto.SPARSE_TENSOR:
                yield from (entry.sparse_tensor.values, entry.sparse_tensor.indices)
        for _, graph in nested(node):
            yield from _stored_in(graph)
