"""Where the images of a call lie in each tensor of a graph: followed by ONNX's own shape inference."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.model.signature import default_opset

# No exporter names a dimension so; every axis that bears it holds one entry per image.
_IMAGES = "images of the call"
# Shapes and axes are small integers; weights only slow inference down.
_LARGEST_CONSTANT = 1_024
# protobuf cannot serialize more, and inference serializes.
_MAX_BYTES = 2**31 - 1
# What they return tells of shapes, not of pictures.
_SHAPE_ONLY = frozenset({"Shape", "Size"})
# onnx raises what its C++ raises; a graph whose shapes cannot be told is still a graph.
_INFERENCE_FAILURES = (onnx.shape_inference.InferenceError, RuntimeError, ValueError, TypeError)


class ImageAxis:
    """A model's graph, functions inlined, and which axes of its tensors run over the images of a call.

    Axes are those that shape inference can follow from the input: an axis not named may run over
    images all the same, an axis named does. ``opset`` is the version of the default operator set.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = _followed(model).graph
        self._fed = _fed(model.graph)
        self.opset = default_opset(model)

    def nodes(self) -> Iterator[onnx.NodeProto]:
        """Yield the nodes that the first output needs and the pictures reach, subgraphs' nodes too."""
        return (node for node in self.needed() if any(map(self.carries, node.input)))

    def needed(self) -> Iterator[onnx.NodeProto]:
        """Yield the nodes that the first output needs, subgraphs' nodes too."""
        return _within(self._needed())

    def axes(self, name: str) -> frozenset[int] | None:
        """Return the axes of a tensor that run over images, ``None`` where its shape is not known."""
        return self._axes.get(name)

    def rank(self, name: str) -> int | None:
        """Return a tensor's number of axes, ``None`` where it is not known."""
        return self._ranks.get(name)

    def carries(self, name: str) -> bool:
        """Tell whether a tensor's values come from the pictures."""
        return name in self._carriers

    def constant(self, name: str) -> list[int] | None:
        """Return a small constant integer tensor's values, ``None`` where there is none of that name."""
        found = self._constants.get(name)
        return None if found is None else [int(value) for value in np.atleast_1d(found).ravel()]

    def flag(self, name: str) -> bool | None:
        """Return a constant's truth, ``None`` where it is no constant."""
        found = self._constants.get(name)
        return None if found is None else bool(np.any(found))

    def _needed(self) -> list[onnx.NodeProto]:
        wanted = {value.name for value in list(self.graph.output)[:1]}
        needed = []
        for node in reversed(self.graph.node):
            if wanted.intersection(node.output):
                needed.append(node)
                wanted.update(name for inner in _within([node]) for name in inner.input)
                wanted.update(value.name for body in _bodies(node) for value in body.output)
        return needed[::-1]

    @functools.cached_property
    def _carriers(self) -> frozenset[str]:
        found = {self._fed}
        for node in _within(self.graph.node):
            if node.op_type in _SHAPE_ONLY:
                continue
            bodies = _bodies(node)
            inner = {name for body in bodies for child in _within(body.node) for name in child.input}
            if found.intersection(node.input) or found.intersection(inner):
                found.update(node.output)
                # What enters a loop's body does so under other names.
                found.update(value.name for body in bodies for value in body.input)
        return frozenset(found)

    @functools.cached_property
    def _shapes(self) -> dict[str, onnx.TensorShapeProto]:
        graphs = [self.graph, *(body for node in _within(self.graph.node) for body in _bodies(node))]
        values = [value for graph in graphs for value in (*graph.input, *graph.value_info, *graph.output)]
        return {v.name: v.type.tensor_type.shape for v in values if v.type.tensor_type.HasField("shape")}

    @functools.cached_property
    def _axes(self) -> dict[str, frozenset[int]]:
        return {
            name: frozenset(axis for axis, dim in enumerate(shape.dim) if dim.dim_param == _IMAGES)
            for name, shape in self._shapes.items()
        }

    @functools.cached_property
    def _ranks(self) -> dict[str, int]:
        return {name: len(shape.dim) for name, shape in self._shapes.items()}

    @functools.cached_property
    def _constants(self) -> dict[str, NDArray[Any]]:
        found = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer}
        for node in _within(self.graph.node):
            if node.op_type == "Constant":
                value = helper.get_attribute_value(node.attribute[0])
                if _small(value):
                    found[node.output[0]] = _plain(value)
        return found


def _plain(value: object) -> NDArray[Any]:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _small(value: object) -> bool:
    if isinstance(value, onnx.TensorProto):
        return _elements(value.dims) <= _LARGEST_CONSTANT
    return isinstance(value, int | float | list)


def _elements(dims: Iterable[int]) -> int:
    return math.prod(dims)


def _bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return graphs + [graph for attribute in node.attribute for graph in attribute.graphs]


def _within(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes, each followed by those of its subgraphs."""
    for node in nodes:
        yield node
        for body in _bodies(node):
            yield from _within(body.node)


def _fed(graph: onnx.GraphProto) -> str:
    """Return the name of the first input that is no initializer, empty where there is none."""
    stored = {tensor.name for tensor in graph.initializer}
    names = [value.name for value in graph.input if value.name not in stored]
    return names[0] if names else ""


def _followed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without its weights, with every shape that inference finds from a batch of unknown size."""
    bare = _bare(model)
    if bare.ByteSize() > _MAX_BYTES:
        return bare
    try:
        if bare.functions:
            bare = onnx.inliner.inline_local_functions(bare)
        return _inferred(bare, free=_takes_any_batch(model.graph))
    except _INFERENCE_FAILURES:
        return bare


def _takes_any_batch(graph: onnx.GraphProto) -> bool:
    shapes = [value.type.tensor_type.shape for value in graph.input if value.name == _fed(graph)]
    return any(shape.dim and shape.dim[0].dim_value <= 0 for shape in shapes)


def _inferred(model: onnx.ModelProto, *, free: bool) -> onnx.ModelProto:
    """Return the model with all shapes, those included that inference gives up at a Reshape to -1.

    Where the batch is not ``free``, a constant shape may hold it as a number, and -1 stand for another axis.
    """
    found = onnx.shape_inference.infer_shapes(model, data_prop=True)
    while free and _mark_merged(found.graph):
        _forget_invented(found.graph)
        found = onnx.shape_inference.infer_shapes(found, data_prop=True)
    return found


def _forget_invented(graph: onnx.GraphProto) -> None:
    """Take back the names that inference made up for sizes: it would keep them where it now knows better."""
    for value in (*graph.value_info, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param != _IMAGES:
                dim.ClearField("dim_param")
    for node in graph.node:
        for body in _bodies(node):
            _forget_invented(body)


def _mark_merged(graph: onnx.GraphProto) -> bool:
    """Name the -1 axes of Reshapes to constant shapes that images go into, and tell whether one was new.

    The other sizes are fixed there, so whatever a batch brings more lies along the -1.
    """
    shapes = {v.name: v.type.tensor_type.shape for v in (*graph.input, *graph.value_info, *graph.output)}
    stored = {tensor.name: numpy_helper.to_array(tensor).ravel().tolist() for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and _small(value := helper.get_attribute_value(node.attribute[0])):
            stored[node.output[0]] = _plain(value).ravel().tolist()
    marked = False
    for node in graph.node:
        target = stored.get(node.input[1], []) if node.op_type == "Reshape" and len(node.input) > 1 else []
        after = shapes.get(node.output[0])
        if -1 in target and 0 not in target and after is not None and _over_images(shapes.get(node.input[0])):
            dim = after.dim[target.index(-1)] if len(after.dim) == len(target) else None
            if dim is not None and not dim.HasField("dim_value") and dim.dim_param != _IMAGES:
                dim.dim_param = _IMAGES
                marked = True
    return marked


def _over_images(shape: onnx.TensorShapeProto | None) -> bool:
    return shape is not None and any(dim.dim_param == _IMAGES for dim in shape.dim)


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with large initializers as inputs, the batch named, and no shape taken on trust."""
    graph = onnx.GraphProto(name=model.graph.name or "graph", node=model.graph.node, input=model.graph.input)
    _name_batch(_fed(model.graph), graph)
    known = {value.name for value in graph.input}
    for tensor in model.graph.initializer:
        if _elements(tensor.dims) <= _LARGEST_CONSTANT:
            graph.initializer.append(tensor)
        elif tensor.name not in known:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for sparse in model.graph.sparse_initializer:
        name, kind = sparse.values.name, sparse.values.data_type
        graph.input.append(helper.make_tensor_value_info(name, kind, sparse.dims))
    for value in model.graph.output:
        graph.output.add(name=value.name).type.tensor_type.elem_type = value.type.tensor_type.elem_type
    return onnx.ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions, graph=graph
    )


def _name_batch(name: str, graph: onnx.GraphProto) -> None:
    for value in graph.input:
        if value.name == name and value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = _IMAGES
