"""Changes of a graph in place that several passes make: nodes dropped, names changed, initializers that nobody reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

import onnx
from onnx import GraphProto

from compress_onnx.model.constants import Region, regions
from compress_onnx.model.nodes import names_read_in, nested


def plain_regions(model: onnx.ModelProto) -> Iterator[Region]:
    """Yield the main graph and what is nested in it; functions are left, since they have no initializers."""
    pending = [regions(model)[0]]
    while pending:
        region = pending.pop()
        yield region
        pending += [inside for node in region.nodes for inside in region.inner[id(node)]]


def drop_nodes(region: Region, gone: AbstractSet[int]) -> None:
    """Take the nodes of these identities out of a region's graph, in place."""
    for place in reversed(range(len(region.nodes))):
        if id(region.nodes[place]) in gone:
            del region.graph.node[place]


def names_known(graph: GraphProto) -> Iterator[str]:
    """Yield every name that is read or defined in a graph and in what is nested in it."""
    yield from names_read_in(graph)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (value.name for value in graph.input)
    for node in graph.node:
        yield from node.output
        for _, inside in nested(node):
            yield from names_known(inside)


def rename_reads(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Let nodes, and what is nested in them, read other names, in place; the graph's own outputs keep theirs."""
    for node in graph.node if names else ():
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
        for _, inside in nested(node):
            for output in inside.output:
                if output.name in names:
                    output.name = names[output.name]
            rename_reads(inside, names)


def rename_stored(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Call initializers of a graph, and of what is nested in it, by other names wherever they are read, in place."""
    gone = {*names, *names.values()}
    for place in reversed(range(len(graph.value_info))):
        if graph.value_info[place].name in gone:
            del graph.value_info[place]
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        for _, inside in nested(node):
            rename_stored(inside, names)
    rename_reads(graph, names)


def drop_unread(graph: GraphProto, readers: Counter[str]) -> None:
    """Drop initializers that were read and no longer are, in a graph and in what is nested in it, in place."""
    read = {*names_read_in(graph)}
    for place in reversed(range(len(graph.initializer))):
        name = graph.initializer[place].name
        if readers[name] and name not in read:
            del graph.initializer[place]
    for node in graph.node:
        for _, inside in nested(node):
            drop_unread(inside, readers)
