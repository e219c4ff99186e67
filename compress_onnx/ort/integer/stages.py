"""A graph cut where chosen nodes stand: what runs before them, between them and after them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping

import onnx
from onnx import NodeProto, helper

from compress_onnx.errors import ModelError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """First the ``computed`` nodes, by the caller; then ``nodes``, by the runtime, from ``inputs`` to ``outputs``."""

    source: onnx.ModelProto
    computed: tuple[NodeProto, ...]
    nodes: tuple[NodeProto, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def model(self, kinds: Mapping[str, int]) -> onnx.ModelProto:
        """Return the model of ``nodes``; ``kinds`` are the element types of its inputs, whatever their shapes."""
        read = {name for node in self.nodes for name in needed_by(node)}
        part = onnx.ModelProto(ir_version=self.source.ir_version, opset_import=self.source.opset_import)
        part.graph.name = self.source.graph.name
        part.graph.node.extend(self.nodes)
        part.graph.initializer.extend(tensor for tensor in self.source.graph.initializer if tensor.name in read)
        part.graph.input.extend(_declared(name, kinds) for name in self.inputs)
        # Weights that a caller may replace are no constants to the runtime: it fuses nothing that reads them.
        stored = {tensor.name for tensor in part.graph.initializer}
        part.graph.input.extend(value for value in self.source.graph.input if value.name in stored)
        part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.outputs)
        return part


def _declared(name: str, kinds: Mapping[str, int]) -> onnx.ValueInfoProto:
    if name not in kinds:
        raise ModelError(
            "tensors that NumPy holds around integer operators",
            f"{name!r}, of another type",
            remedy="It cannot be simulated: ask such a CPU itself, --target ssh://user@board, or qemu:haswell.",
        )
    return helper.make_tensor_value_info(name, kinds[name], None)


Key = tuple[str, ...]


def key_of(node: NodeProto) -> Key:
    """Return what tells a node from every other of its graph: the tensors it makes."""
    return tuple(node.output)


def staged(model: onnx.ModelProto, chosen: Collection[Key]) -> Iterator[Stage]:
    """Yield the stages of a graph in topological order; ``chosen`` are the keys of its nodes to be computed."""
    levels = _levels(model.graph, chosen)
    for level in range(max(levels.values(), default=0) + 1):
        nodes = [node for node in model.graph.node if levels[key_of(node)] == level]
        computed = tuple(node for node in nodes if key_of(node) in chosen)
        rest = [node for node in nodes if key_of(node) not in chosen]
        inputs, outputs = _borders(model.graph, rest)
        yield Stage(source=model, computed=computed, nodes=tuple(rest), inputs=inputs, outputs=outputs)


def _levels(graph: onnx.GraphProto, chosen: Collection[Key]) -> dict[Key, int]:
    """Return the stage of each node by its key: one more for every chosen node on the way to it."""
    reached: dict[str, int] = {}
    levels: dict[Key, int] = {}
    for node in graph.node:
        level = max((reached.get(name, 0) for name in needed_by(node)), default=0) + (key_of(node) in chosen)
        levels[key_of(node)] = level
        reached.update(dict.fromkeys(node.output, level))
    return levels


def needed_by(node: NodeProto) -> set[str]:
    """Return the names of the tensors that a node reads, those that its branches read included."""
    inner = [entry.g for entry in node.attribute if entry.HasField("g")]
    return {name for name in node.input if name} | {name for graph in inner for name in _captured(graph)}


def _captured(graph: onnx.GraphProto) -> set[str]:
    own = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    own |= {name for node in graph.node for name in node.output}
    read = {name for node in graph.node for name in needed_by(node)} | {value.name for value in graph.output}
    return read - own


def _borders(graph: onnx.GraphProto, nodes: list[NodeProto]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    stored = {tensor.name for tensor in graph.initializer}
    made = dict.fromkeys(name for node in nodes for name in node.output if name)
    read = dict.fromkeys(name for node in nodes for name in sorted(needed_by(node)))
    inside = {key_of(node) for node in nodes}
    wanted = {name for node in graph.node if key_of(node) not in inside for name in needed_by(node)}
    wanted |= {value.name for value in graph.output}
    return (
        tuple(name for name in read if name not in made and name not in stored),
        tuple(name for name in made if name in wanted),
    )
