"""What every room asks of nodes: their attributes, the graphs within them and the names they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, NodeProto, helper


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """Return an attribute's value, ``default`` where the node leaves it out; text is bytes, lists are lists.

    >>> conv = helper.make_node("Conv", ["x", "w"], ["y"], group=2, auto_pad="VALID", pads=[0, 1])
    >>> attribute(conv, "group", 1), attribute(conv, "auto_pad", b"NOTSET"), attribute(conv, "pads", [])
    (2, b'VALID', [0, 1])
    >>> attribute(conv, "strides", None) is None
    True
    """
    found = next((entry for entry in node.attribute if entry.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def nested(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    """Yield the graphs that a node holds, branches and loop bodies, with the attributes' names.

    >>> body = helper.make_graph([], "body", [], [])
    >>> [name for name, _ in nested(helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body))]
    ['else_branch', 'then_branch']
    """
    for entry in node.attribute:
        for graph in (entry.g,) if entry.type == AttributeProto.GRAPH else entry.graphs:
            yield entry.name, graph


def names_read(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node takes, as often as it does, those that nodes and outputs of its graphs take too.

    Absent inputs are empty names; what a nested graph makes itself is among the names.

    >>> body = helper.make_graph(
    ...     [helper.make_node("Neg", ["x"], ["z"])], "body", [], [onnx.ValueInfoProto(name="w"), onnx.ValueInfoProto(name="z")]
    ... )
    >>> list(names_read(helper.make_node("If", ["c"], ["y", "v"], then_branch=body)))
    ['c', 'x', 'w', 'z']
    """
    yield from node.input
    for _, graph in nested(node):
        yield from names_read_in(graph)


def names_read_in(graph: GraphProto) -> Iterator[str]:
    """Yield the names that the nodes and then the outputs of a graph take, those of nested graphs too."""
    for node in graph.node:
        yield from names_read(node)
    # A branch may hand out an outer value as it is.
    yield from (output.name for output in graph.output)


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that can be changed: no pass changes the model that it is given."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
