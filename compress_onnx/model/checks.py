"""What a file must hold to be worked with: nodes in order, names that hide no others, weights that are numbers."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence

import numpy as np
import onnx
from google.protobuf.message import Message
from onnx import GraphProto, NodeProto, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.model.nodes import names_read, nested


def put_in_order(model: onnx.ModelProto) -> None:
    """Sort the nodes of every graph and function in place; what is in order keeps its order, a circle its place.

    ONNX asks for each node behind what it reads, and not every exporter writes them so. ONNX Runtime sorts too: it runs files, such as those of its own converter to float16, that ONNX's checker refuses.
    """
    for nodes in _node_lists(model):
        order = _order(nodes)
        if order != list(range(len(nodes))):
            nodes.extend([nodes[place] for place in order])
            del nodes[: len(order)]


def _node_lists(message: Message) -> Iterator[MutableSequence[NodeProto]]:
    """Yield the nodes of all graphs and functions in a message, inner ones too."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        parts: Iterable[Message] = [value] if isinstance(value, Message) else value
        if field.name == "node":
            yield value
        if field.message_type.name in {"GraphProto", "FunctionProto", "NodeProto", "AttributeProto"}:
            for part in parts:
                yield from _node_lists(part)


def _order(nodes: Sequence[NodeProto]) -> list[int]:
    """Return the places of nodes, earliest first among those whose inputs are made; circles come last."""
    makers = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    needs = [
        {makers[name] for name in names_read(node) if name in makers} - {place} for place, node in enumerate(nodes)
    ]
    readers: list[list[int]] = [[] for _ in nodes]
    for place, needed in enumerate(needs):
        for maker in needed:
            readers[maker].append(place)
    ready = [place for place, needed in enumerate(needs) if not needed]
    order = []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for reader in readers[place]:
            needs[reader].discard(place)
            if not needs[reader]:
                heapq.heappush(ready, reader)
    return order + sorted(set(range(len(nodes))).difference(order))


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


def _stored(graph: GraphProto) -> Iterator[str]:
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)


def _defined(graph: GraphProto) -> Iterator[str]:
    yield from (value.name for value in graph.input)
    yield from _stored(graph)
    for node in graph.node:
        yield from (name for name in node.output if name)


def expect_finite_weights(tensors: Mapping[str, onnx.TensorProto], *, where: object) -> None:
    """Raise :class:`ModelError` if a weight is NaN or infinite."""
    for name, tensor in tensors.items():
        if not np.isfinite(numpy_helper.to_array(tensor)).all():
            raise ModelError("finite weights", f"NaN or infinity in {name!r}", where=where, remedy="Train it again.")
