"""Weighted layers as the quantizer understands them: y = W x + b, with b a vector of the layer's own."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.model import WEIGHTED_OPS, attribute, copied, names_read

_WEIGHT, _BIAS = 1, 2


def affine(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that computes the same, in which no layer has more to it than weights and a vector of biases.

    Of a Gemm, alpha goes into the weights, beta into the bias, transA becomes a Transpose; a bias of
    shape (), (1,), (1, N) or (1, 1) becomes one of (N,), and one that differs by image an Add behind it.
    Every node has a name of its own, every weighted one its own bias, and its own weight where
    another node takes the same tensor for something else.
    """
    copy = copied(model)
    _Writer(copy.graph).write()
    return copy


class _Writer:
    """Changes a graph in place."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.stored = {tensor.name: tensor for tensor in graph.initializer}
        self.taken = {name for node in graph.node for name in (*node.input, *node.output)} | set(self.stored)
        self.roles = Counter(_role(node, place) for node in graph.node for place in range(len(node.input)))

    def write(self) -> None:
        self._name_nodes()
        for node in list(self.graph.node):
            if node.op_type in WEIGHTED_OPS and node.domain in {"", "ai.onnx"}:
                while not node.input[-1]:
                    node.input.pop()
                self._own_weight(node)
                if node.op_type == "Gemm":
                    self._plain_gemm(node)
                self._own_bias(node)
        self._drop_unread()

    def _name_nodes(self) -> None:
        taken = Counter(node.name for node in self.graph.node)
        for number, node in enumerate(self.graph.node):
            if not node.name or taken[node.name] > 1:
                node.name = f"{node.name or node.op_type}/{number}"

    def _own_weight(self, node: onnx.NodeProto) -> None:
        name = node.input[_WEIGHT]
        # The first to take it keeps the tensor, and with it the name that the user knows.
        first = next((role for role in self.roles if role[0] == name), None)
        if name in self.stored and first != _role(node, _WEIGHT):
            node.input[_WEIGHT] = self.store(self.fresh(f"{name}_of_{node.name}"), self.values(name))

    def _own_bias(self, node: onnx.NodeProto) -> None:
        name = node.input[_BIAS] if len(node.input) > _BIAS else ""
        if name in self.stored and sum(count for role, count in self.roles.items() if role[0] == name) > 1:
            node.input[_BIAS] = self.store(self.fresh(f"{name}_of_{node.name}"), self.values(name))

    def _plain_gemm(self, node: onnx.NodeProto) -> None:
        if attribute(node, "transA", 0):
            self._turn_input(node)
        if node.input[_WEIGHT] not in self.stored:
            return
        alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
        if alpha != 1:
            scaled = self.values(node.input[_WEIGHT]) * np.float32(alpha)
            node.input[_WEIGHT] = self.store(self.fresh(f"{node.input[_WEIGHT]}_times_alpha"), scaled)
            _set(node, "alpha")
        if len(node.input) > _BIAS and node.input[_BIAS]:
            self._plain_bias(node, beta)

    def _turn_input(self, node: onnx.NodeProto) -> None:
        turned = self.fresh(f"{node.input[0]}_turned")
        made = helper.make_node("Transpose", [node.input[0]], [turned], name=self.fresh(f"{turned}_node"), perm=[1, 0])
        self.graph.node.insert(self._place(node), made)
        node.input[0] = turned
        next(entry for entry in node.attribute if entry.name == "transA").i = 0

    def _plain_bias(self, node: onnx.NodeProto, beta: float) -> None:
        name = node.input[_BIAS]
        if beta == 0:
            del node.input[_BIAS:]
            _set(node, "beta")
            return
        if name not in self.stored:
            return
        weight = self.stored[node.input[_WEIGHT]]
        outputs = weight.dims[0 if attribute(node, "transB", 0) else 1]
        values = self.values(name) * np.float32(beta)
        _set(node, "beta")
        if values.size in {1, outputs} and (values.ndim < 2 or values.shape[-2] == 1):
            vector = np.ascontiguousarray(np.broadcast_to(values.reshape(-1), (outputs,)))
            if beta != 1 or list(self.stored[name].dims) != [outputs]:
                node.input[_BIAS] = self.store(self.fresh(f"{name}_vector"), vector)
            return
        del node.input[_BIAS:]
        self._add_behind(node, self.store(self.fresh(f"{name}_by_image"), values))

    def _add_behind(self, node: onnx.NodeProto, name: str) -> None:
        output = node.output[0]
        node.output[0] = self.fresh(f"{output}_product")
        added = helper.make_node("Add", [node.output[0], name], [output], name=self.fresh(f"{output}_bias"))
        self.graph.node.insert(self._place(node) + 1, added)

    def _place(self, node: onnx.NodeProto) -> int:
        return next(number for number, other in enumerate(self.graph.node) if other.name == node.name)

    def values(self, name: str) -> NDArray[np.floating]:
        return np.asarray(numpy_helper.to_array(self.stored[name]))

    def store(self, name: str, values: NDArray[np.floating]) -> str:
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        self.stored[name] = self.graph.initializer[-1]
        return name

    def fresh(self, wish: str) -> str:
        name, number = wish, 1
        while name in self.taken:
            name, number = f"{wish}_{number}", number + 1
        self.taken.add(name)
        return name

    def _drop_unread(self) -> None:
        read = {name for node in self.graph.node for name in names_read(node)} | {out.name for out in self.graph.output}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def _role(node: onnx.NodeProto, place: int) -> tuple[object, ...]:
    """Return what a node takes an input for: weights of equal layout can be one tensor, all else cannot."""
    name = node.input[place]
    if node.op_type not in WEIGHTED_OPS or place != _WEIGHT:
        return (name, node.name, node.output[0] if node.output else "", place)
    shape = (node.op_type, attribute(node, "transB", 0), attribute(node, "group", 1), attribute(node, "alpha", 1.0))
    return (name, *shape)


def _set(node: onnx.NodeProto, name: str) -> None:
    for entry in node.attribute:
        if entry.name == name:
            entry.f = 1.0
