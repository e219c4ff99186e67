"""The runtime's fused operators taken apart into plain ONNX: what an optimized graph was before it was saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from onnx import AttributeProto, NodeProto, helper

from compress_onnx.model.constants import BLOCKED_LAYOUT, MICROSOFT
from compress_onnx.model.nodes import attribute

_OWN = frozenset({"activation", "activation_params"})
# What an activation's parameters are called, in their order.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "HardSigmoid": ("alpha", "beta"),
    "LeakyRelu": ("alpha",),
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
}
# Since then Clip takes its bounds as inputs.
_CLIP_BY_INPUTS = 11


def unfused(node: NodeProto, opset: int) -> list[NodeProto] | None:
    """Return the plain nodes that compute what a fused one does, ``None`` where it is plain or not known here."""
    if node.domain not in MICROSOFT - {BLOCKED_LAYOUT} or node.op_type not in _FUSED:
        return None
    kind = attribute(node, "activation", b"").decode()
    if kind not in {*_PARAMETERS, ""} and (kind != "Clip" or opset < _CLIP_BY_INPUTS):
        return None
    plain = _FUSED[node.op_type](node)
    if plain is None or not kind:
        return plain
    inner = f"{node.output[0]}_plain"
    plain[-1].output[0] = inner
    return [*plain, *_activation(node, kind, inner)]


def _activation(node: NodeProto, kind: str, inner: str) -> Iterator[NodeProto]:
    own = [float(attribute(node, f"activation_{name}", default)) for name, default in (("alpha", 0.01), ("beta", 0.0))]
    values = [float(one) for one in attribute(node, "activation_params", own)]
    if kind == "Clip":
        bounds = [f"{node.output[0]}_least", f"{node.output[0]}_most"]
        for name, bound in zip(bounds, values, strict=True):
            yield helper.make_node("Constant", [], [name], value_float=bound)
        yield helper.make_node("Clip", [inner, *bounds], [node.output[0]])
        return
    named: dict[str, Any] = dict(zip(_PARAMETERS[kind], values, strict=False))
    yield helper.make_node(kind, [inner], [node.output[0]], **named)


def _conv(node: NodeProto) -> list[NodeProto] | None:
    """FusedConv is Conv, then Add of a fourth input, then the activation."""
    made = _plain("Conv", node, node.input[:3], node.output[0], drop=_OWN)
    if len(node.input) < 4 or not node.input[3]:
        return [made]
    inner = f"{node.output[0]}_unadded"
    made.output[0] = inner
    return [made, helper.make_node("Add", [inner, node.input[3]], [node.output[0]])]


def _gemm(node: NodeProto) -> list[NodeProto] | None:
    return [_plain("Gemm", node, node.input, node.output[0], drop=_OWN | {"activation_alpha", "activation_beta"})]


def _matmul(node: NodeProto) -> list[NodeProto] | None:
    """FusedMatMul with nothing but what a MatMul does; scaled and transposed products stay as they are."""
    flags = ("transA", "transB", "transBatchA", "transBatchB")
    if any(attribute(node, name, 0) for name in flags) or attribute(node, "alpha", 1.0) != 1.0:
        return None
    return [_plain("MatMul", node, node.input, node.output[0], drop={"alpha", *flags})]


def _plain(op: str, node: NodeProto, inputs: Sequence[str], output: str, *, drop: Any) -> NodeProto:
    made = helper.make_node(op, list(inputs), [output], node.name)
    made.attribute.extend(
        AttributeProto.FromString(a.SerializeToString()) for a in node.attribute if a.name not in drop
    )
    return made


_FUSED: dict[str, Callable[[NodeProto], list[NodeProto] | None]] = {
    "FusedConv": _conv,
    "FusedGemm": _gemm,
    "FusedMatMul": _matmul,
}
