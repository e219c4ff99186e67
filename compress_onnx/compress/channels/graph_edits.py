"""Cut channels out of a model: initializers, ``group`` attributes and shape constants get smaller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet

import numpy as np
import onnx
from onnx import numpy_helper

from compress_onnx.compress.channels.flow import Flow, Resize, inferred
from compress_onnx.compress.channels.groups import Labels
from compress_onnx.model import copied, names_read, prunable_initializers


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model with plain tensors in which no two nodes share a vector.

    Constants are initializers there (:func:`~compress_onnx.model.forms.normalize.with_plain_tensors`). A bias or shape
    that exporters share between layers of equal width would tie those layers. Weights that are stored as a vector stay
    one.
    """
    copy = copied(model)
    _part_vectors(copy.graph, {*prunable_initializers(copy)})
    return copy


def _part_vectors(graph: onnx.GraphProto, weights: AbstractSet[str]) -> None:
    """Give every node that shares a vector, but no weight, with another one its own copy, in place."""
    uses = Counter(name for node in graph.node for name in names_read(node))
    # What can be fed from outside is one thing for all its users.
    fed = {value.name for value in graph.input} | weights
    shared = {t.name: t for t in graph.initializer if len(t.dims) == 1 and uses[t.name] > 1 and t.name not in fed}
    taken = _names(graph)
    copies = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in shared:
                copy = onnx.TensorProto()
                copy.CopyFrom(shared[name])
                copy.name = _unused(name, taken)
                copies.append(copy)
                node.input[place] = copy.name
    graph.initializer.extend(copies)
    _drop_unused(graph, shared.keys())


def _names(graph: onnx.GraphProto) -> set[str]:
    made = {name for node in graph.node for name in (*node.output, *names_read(node))}
    return made | {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}


def _unused(name: str, taken: set[str]) -> str:
    """Return a new name and take it."""
    number = 1
    while f"{name}.{number}" in taken:
        number += 1
    taken.add(f"{name}.{number}")
    return f"{name}.{number}"


def _drop_unused(graph: onnx.GraphProto, names: AbstractSet[str]) -> None:
    used = {name for node in graph.node for name in names_read(node)} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used or tensor.name not in names]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def cut(model: onnx.ModelProto, flow: Flow, removed: AbstractSet[int]) -> None:
    """Take the channel classes ``removed`` out of the model that was followed, in place.

    Intermediate shapes are inferred anew where the model kept them.
    """
    had_shapes = bool(model.graph.value_info)
    gone = np.array(sorted(removed), dtype=np.int64)

    def remaining(labels: Labels) -> Labels:
        return np.flatnonzero(~np.isin(flow.channels.classes(labels), gone))

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for (name, axis), labels in flow.axes.items():
        _shrink(stored[name], axis, remaining(labels))
    for resize in flow.resizes:
        _resize(resize, stored, remaining)
    _resize_inputs(model.graph, stored)
    del model.graph.value_info[:]
    if had_shapes:
        model.graph.value_info.extend(inferred(model).value_info)


def _shrink(tensor: onnx.TensorProto, axis: int, places: Labels) -> None:
    if len(places) < tensor.dims[axis]:
        values = np.take(numpy_helper.to_array(tensor), places, axis=axis)
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def _resize(resize: Resize, stored: dict[str, onnx.TensorProto], remaining: Callable[[Labels], Labels]) -> None:
    size = len(remaining(resize.labels))
    if resize.position is None:
        next(attribute for attribute in resize.node.attribute if attribute.name == "group").i = size
        return
    tensor = stored[resize.node.input[1]]
    sizes = numpy_helper.to_array(tensor).copy()
    sizes[resize.position] = size
    tensor.CopyFrom(numpy_helper.from_array(sizes, tensor.name))


def _resize_inputs(graph: onnx.GraphProto, stored: dict[str, onnx.TensorProto]) -> None:
    """Old files list their initializers as inputs too, with their shapes."""
    for value in graph.input:
        if value.name in stored:
            for dim, size in zip(value.type.tensor_type.shape.dim, stored[value.name].dims, strict=False):
                dim.dim_value = size
