"""Tensors that branches and loop bodies read from outside, under names that no pass over the main graph changes."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import helper

from compress_onnx.model import copied, nested
from compress_onnx.ort import needed_by


def captures_apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with what its subgraphs read handed to them by Identity nodes; itself where they read nothing.

    ONNX Runtime's quantizer renames what nodes of the main graph read, and takes away a ReLU that its
    clipping makes superfluous; a subgraph that reads the tensor by name would see it unclipped.
    """
    captured = {name for node in model.graph.node for name in needed_by(node) - set(node.input) if any(nested(node))}
    if not captured:
        return model
    copy = copied(model)
    names = {name: f"{name}/captured" for name in sorted(captured)}
    made = {output for node in copy.graph.node for output in node.output}
    nodes = [_handed(name, names) for name in names if name not in made]
    for node in copy.graph.node:
        for _, body in nested(node):
            _rename(body, names)
        nodes += [node, *(_handed(name, names) for name in node.output if name in names)]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _handed(name: str, names: Mapping[str, str]) -> onnx.NodeProto:
    return helper.make_node("Identity", [name], [names[name]], names[name])


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
        for _, body in nested(node):
            _rename(body, names)
