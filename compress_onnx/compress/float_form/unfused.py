"""Operators that ONNX Runtime's optimizer wrote into a file, taken apart into those of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from compress_onnx.errors import UnsupportedOperatorError
from compress_onnx.model import copied

_DOMAIN = "com.microsoft"
# Operators over blocks of channels, as one family of CPUs has its vectors.
_LAYOUT_DOMAINS = frozenset({"com.microsoft.nchwc", "com.ms.internal.nhwc"})
# What an activation's parameters are called where ONNX has them as attributes.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
}
_Taken = Callable[["_Place"], list[onnx.NodeProto] | None]


def unfused(model: onnx.ModelProto, *, where: object = "") -> onnx.ModelProto:
    """Return the model with FusedConv, FusedGemm, FusedMatMul and QuickGelu as operators of ONNX; itself if it has none.

    Errors
    ------
    UnsupportedOperatorError
        if a weighted operator is laid out for one family of CPUs, or fused in a way that has no name here.
    """
    if not any(node.domain == _DOMAIN or node.domain in _LAYOUT_DOMAINS for node in model.graph.node):
        return model
    copy = copied(model)
    nodes: list[onnx.NodeProto] = []
    for number, node in enumerate(model.graph.node):
        _expect_common_layout(node, where)
        take = _TAKEN_APART.get(node.op_type) if node.domain == _DOMAIN else None
        nodes += (take(_Place(node, copy.graph, number, where)) if take else None) or [node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _expect_common_layout(node: onnx.NodeProto, where: object) -> None:
    if node.domain in _LAYOUT_DOMAINS:
        raise UnsupportedOperatorError(
            "operators that any CPU has",
            f"node {node.name or node.output[0]!r}, a {node.op_type} in the block layout of one family of CPUs",
            where=where,
            remedy="Give the file as it was before ONNX Runtime optimized it.",
        )


class _Place:
    """A node that is taken apart, and names and constants for what comes of it."""

    def __init__(self, node: onnx.NodeProto, graph: onnx.GraphProto, number: int, where: object) -> None:
        self.node, self.where = node, where
        self.attributes: Mapping[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        self._graph, self._stem = graph, f"{node.name or node.output[0]}/{number}"

    def name(self, word: str) -> str:
        return f"{self._stem}/{word}"

    def constant(self, word: str, value: float) -> str:
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), self.name(word)))
        return self.name(word)

    def inputs(self, count: int) -> list[str]:
        found = [*self.node.input[:count]]
        while found and not found[-1]:
            found.pop()
        return found

    def without(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in self.attributes.items() if name not in names}

    def made(self, op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(op, inputs, [output], name=self.name(op.lower()), **attributes)

    def activated(self, before: str, output: str) -> onnx.NodeProto:
        """Return the activation that was fused into the node."""
        kind = self.attributes.get("activation", b"").decode()
        given = [float(value) for value in self.attributes.get("activation_params", ())]
        given = given or [self.attributes[n] for n in ("activation_alpha", "activation_beta") if n in self.attributes]
        if kind == "Clip":
            low, high = given
            return self.made("Clip", [before, self.constant("low", low), self.constant("high", high)], output)
        if kind not in _PARAMETERS:
            raise UnsupportedOperatorError(
                "a fused activation among Clip, " + ", ".join(_PARAMETERS),
                f"{kind or 'none'!r} in node {self.node.name or self.node.output[0]!r}",
                where=self.where,
                remedy="Give the file as it was before ONNX Runtime optimized it.",
            )
        return self.made(kind, [before], output, **dict(zip(_PARAMETERS[kind], given, strict=False)))


def _conv(place: _Place) -> list[onnx.NodeProto]:
    attributes = place.without("activation", "activation_params")
    return list(_with_behind(place, "Conv", place.inputs(3), attributes, added=[*place.node.input[3:4]]))


def _gemm(place: _Place) -> list[onnx.NodeProto]:
    names = [name for name in place.attributes if name.startswith("activation")]
    return list(_with_behind(place, "Gemm", place.inputs(3), place.without(*names), added=[]))


def _with_behind(
    place: _Place, op: str, inputs: list[str], attributes: dict[str, Any], *, added: list[str]
) -> Iterator[onnx.NodeProto]:
    """Yield the layer, the Add of what was fused as a sum, and the activation."""
    output = place.node.output[0]
    last = place.name("layer") if added or place.attributes.get("activation") else output
    yield place.made(op, inputs, last, **attributes)
    if added:
        before, last = last, place.name("sum") if place.attributes.get("activation") else output
        yield place.made("Add", [before, *added], last)
    if place.attributes.get("activation"):
        yield place.activated(last, output)


def _matmul(place: _Place) -> list[onnx.NodeProto] | None:
    """Return Transpose, MatMul and the factor; ``None`` where batches of matrices are turned, which stays as it is."""
    if place.attributes.get("transBatchA") or place.attributes.get("transBatchB"):
        return None
    turned = [place.attributes.get("transA"), place.attributes.get("transB")]
    stored = {tensor.name: len(tensor.dims) for tensor in place._graph.initializer}  # noqa: SLF001  # the same module
    if turned[0] or (turned[1] and stored.get(place.node.input[1]) != 2):
        return None
    nodes, right, output = [], place.node.input[1], place.node.output[0]
    if turned[1]:
        nodes.append(place.made("Transpose", [right], place.name("turned"), perm=[1, 0]))
        right = place.name("turned")
    alpha = float(place.attributes.get("alpha", 1.0))
    product = output if alpha == 1 else place.name("product")
    nodes.append(place.made("MatMul", [place.node.input[0], right], product))
    if alpha != 1:
        nodes.append(place.made("Mul", [product, place.constant("alpha", alpha)], output))
    return nodes


def _quick_gelu(place: _Place) -> list[onnx.NodeProto]:
    given, output = place.node.input[0], place.node.output[0]
    alpha = place.constant("alpha", float(place.attributes.get("alpha", 1.702)))
    scaled, gate = place.name("scaled"), place.name("gate")
    last = place.made("Mul", [given, gate], output)
    last.name = place.name("gated")
    return [place.made("Mul", [given, alpha], scaled), place.made("Sigmoid", [scaled], gate), last]


_TAKEN_APART: dict[str, _Taken] = {
    "FusedConv": _conv,
    "FusedGemm": _gemm,
    "FusedMatMul": _matmul,
    "QuickGelu": _quick_gelu,
}
