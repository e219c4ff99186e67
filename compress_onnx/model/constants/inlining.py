"""Local functions written out where they are called."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import AttributeProto, NodeProto, inliner, numpy_helper

from compress_onnx.model.constants.graph_regions import held
from compress_onnx.model.constants.kinds import STANDARD
from compress_onnx.model.constants.values import array
from compress_onnx.model.nodes import copied, nested

# Set on the tensors of functions, so that their copies are known again; never left in a model.
_MARK = "compress_onnx function tensor "
# What a Constant node may hold its numbers in beside a tensor; single ones are no weights.
_OTHER_FORMS = frozenset({"sparse_value", "value_floats", "value_ints"})


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the bodies of its functions in place of their calls; itself where it has none.

    A tensor in a function is one tensor, however often the function is called. A function that
    cannot be inlined, as one of an operator set that does not convert, stays.
    """
    if not model.functions:
        return model
    bare = copied(model)
    # The inliner copies through bytes, of which there may be more than it bears.
    del bare.graph.initializer[:], bare.graph.sparse_initializer[:]
    for function in bare.functions:
        _hold_tensors(function)
        _mark(function)
    flat = inliner.inline_local_functions(bare)
    if flat.functions:
        flat = _converted(bare) or flat
    flat.graph.initializer.extend(model.graph.initializer)
    flat.graph.sparse_initializer.extend(model.graph.sparse_initializer)
    _share(flat)
    return flat


def _converted(model: onnx.ModelProto) -> onnx.ModelProto | None:
    try:
        return inliner.inline_local_functions(model, convert_version=True)
    except (RuntimeError, ValueError, onnx.checker.ValidationError):
        return None


def _hold_tensors(function: onnx.FunctionProto) -> None:
    """Let Constant nodes of a function hold dense tensors, in place: lists and sparse tensors have no room for a mark."""
    for node in _nodes(function.node):
        for attribute in node.attribute if node.op_type == "Constant" and node.domain in STANDARD else ():
            if attribute.ref_attr_name or attribute.name not in _OTHER_FORMS:
                continue
            stored = held(node)
            if stored is not None:
                dense = numpy_helper.from_array(array(stored))
                attribute.CopyFrom(onnx.helper.make_attribute("value", dense))


def _mark(function: onnx.FunctionProto) -> None:
    for number, tensor in enumerate(_held(function.node)):
        tensor.doc_string = f"{_MARK}{function.domain}.{function.name}.{number}"


def _held(nodes: Iterator[NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in _nodes(nodes):
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and attribute.HasField("t"):
                yield attribute.t


def _nodes(nodes: Iterator[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for _, graph in nested(node):
            yield from _nodes(graph.node)


def _share(model: onnx.ModelProto) -> None:
    """Put each marked tensor of several copies into one initializer that the copies read, in place."""
    marked: dict[str, list[NodeProto]] = {}
    for node in _nodes(model.graph.node):
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value" and attribute.t.doc_string.startswith(_MARK):
                marked.setdefault(attribute.t.doc_string, []).append(node)
    for copies in marked.values():
        if len(copies) > 1:
            _read_one(model.graph, copies)
    for tensor in _held(model.graph.node):
        if tensor.doc_string.startswith(_MARK):
            tensor.ClearField("doc_string")
    for function in model.functions:
        for tensor in _held(function.node):
            tensor.ClearField("doc_string")


def _read_one(graph: onnx.GraphProto, copies: list[NodeProto]) -> None:
    tensor = graph.initializer.add()
    tensor.CopyFrom(copies[0].attribute[0].t)
    tensor.ClearField("doc_string")
    # No other name starts so: the inliner made the copies' names, and all of them differ.
    tensor.name = f"{copies[0].output[0]}.shared"
    for node in copies:
        node.op_type = "Identity"
        del node.attribute[:]
        node.input.append(tensor.name)
