"""Names within names: what a branch or a body calls as something outside it is called."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import AttributeProto, GraphProto, NodeProto


def hidden_names(model: onnx.ModelProto) -> list[str]:
    """Return where initializers of branches and bodies are called as something outside, in words.

    ONNX forbids it and its checker does not look. The runtime takes the inner value or the outer one by what the
    other branch reads and by how far it optimizes, so that such a model has no answer of its own.
    """
    return [f"{name!r} in {place} and outside it" for name, place in _hidden(model.graph, set())]


def _hidden(graph: GraphProto, outer: set[str]) -> Iterator[tuple[str, str]]:
    known = outer | {*_defined(graph)}
    for node in graph.node:
        for attribute, inside in nested(node):
            place = f"{attribute} of {node.op_type} {node.name or node.output[0]!r}"
            yield from ((name, place) for name in _stored(inside) if name in known)
            yield from _hidden(inside, known)


def nested(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    """Yield the graphs that a node holds, with the attributes' names."""
    for attribute in node.attribute:
        for graph in (attribute.g,) if attribute.type == AttributeProto.GRAPH else attribute.graphs:
            yield attribute.name, graph


def _stored(graph: GraphProto) -> Iterator[str]:
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)


def _defined(graph: GraphProto) -> Iterator[str]:
    yield from (value.name for value in graph.input)
    yield from _stored(graph)
    for node in graph.node:
        yield from (name for name in node.output if name)
