"""What ONNX Runtime's quantizer would spoil, held apart from it: tensors that branches read, biases of grouped layers.

Each function returns a copy, and leaves the model that it is given as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import helper

from compress_onnx.model import attribute, copied, nested
from compress_onnx.ort import needed_by

_BIAS = 2


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


def without_group_biases(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, onnx.TensorProto]]:
    """Return the model without the biases of grouped ConvTransposes, and those by node.

    Such a weight has a scale for each output channel of a group, and the quantizer would give the
    bias, which has one number for each output channel of all, as many scales. No integer kernel waits for it.
    """
    grouped = [node for node in model.graph.node if _is_grouped(node)]
    if not grouped:
        return model, {}
    copy = copied(model)
    stored = {tensor.name: tensor for tensor in copy.graph.initializer}
    held = {node.name: stored[node.input[_BIAS]] for node in grouped if node.input[_BIAS] in stored}
    for node in copy.graph.node:
        if node.name in held:
            del node.input[_BIAS:]
    return copy, held


def _is_grouped(node: onnx.NodeProto) -> bool:
    return node.op_type == "ConvTranspose" and attribute(node, "group", 1) > 1 and len(node.input) > _BIAS


def with_biases(model: onnx.ModelProto, held: Mapping[str, onnx.TensorProto]) -> onnx.ModelProto:
    """Return a copy of the model with the biases that :func:`without_group_biases` held, by node; itself without any."""
    if not held:
        return model
    copy = copied(model)
    stored = {tensor.name for tensor in copy.graph.initializer}
    for node in copy.graph.node:
        if node.name in held:
            node.input.append(held[node.name].name)
    copy.graph.initializer.extend(tensor for tensor in held.values() if tensor.name not in stored)
    return copy
