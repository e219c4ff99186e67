"""The runtime's fused operators taken apart into plain ONNX: what an optimized graph was before it was saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from onnx import AttributeProto, NodeProto, helper

from compress_onnx.model.constants import CPU_LAYOUTS, MICROSOFT, Region, rank
from compress_onnx.model.nodes import attribute

_OWN = frozenset({"activation", "activation_params"})
# What an activation's parameters are called, in their order.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Relu": (),
    "Sigmoid": (),
    "Tanh": (),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
}
# Activations that are taken apart; Clip with its bounds as inputs, which it takes since opset 11.
KNOWN_ACTIVATIONS = ("Clip", *_PARAMETERS)
_CLIP_BY_INPUTS = 11
# The runtime's own default.
_QUICK_GELU_ALPHA = 1.702


def unfused(node: NodeProto, region: Region) -> list[NodeProto] | None:
    """Return the plain nodes that compute what a fused one does, ``None`` where it is plain or not known here.

    The node stays as it is; numbers that come up, as the bounds of a Clip, are Constant nodes.
    """
    if node.domain not in MICROSOFT - CPU_LAYOUTS or node.op_type not in _FUSED:
        return None
    kind = attribute(node, "activation", b"").decode()
    if kind and (kind not in KNOWN_ACTIVATIONS or (kind == "Clip" and region.opset < _CLIP_BY_INPUTS)):
        return None
    plain = _FUSED[node.op_type](node, region)
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


def _conv(node: NodeProto, region: Region) -> list[NodeProto]:
    """FusedConv is Conv, then Add of a fourth input, then the activation."""
    del region
    made = _plain("Conv", node, node.input[:3], node.output[0], drop=_OWN)
    if len(node.input) < 4 or not node.input[3]:
        return [made]
    inner = f"{node.output[0]}_unadded"
    made.output[0] = inner
    return [made, helper.make_node("Add", [inner, node.input[3]], [node.output[0]])]


def _gemm(node: NodeProto, region: Region) -> list[NodeProto]:
    del region
    return [_plain("Gemm", node, node.input, node.output[0], drop=_OWN | {"activation_alpha", "activation_beta"})]


def _matmul(node: NodeProto, region: Region) -> list[NodeProto] | None:
    """FusedMatMul is Transpose of a stored matrix, MatMul, and a factor; products turned otherwise stay as they are."""
    if any(attribute(node, name, 0) for name in ("transA", "transBatchA", "transBatchB")):
        return None
    output, right, made = node.output[0], node.input[1], []
    if attribute(node, "transB", 0):
        weight = region.constant(right)
        if weight is None or rank(weight) != 2:
            return None
        made.append(helper.make_node("Transpose", [right], [f"{output}_turned"], perm=[1, 0]))
        right = f"{output}_turned"
    alpha = float(attribute(node, "alpha", 1.0))
    product = output if alpha == 1 else f"{output}_unscaled"
    made.append(helper.make_node("MatMul", [node.input[0], right], [product], node.name))
    return made if alpha == 1 else [*made, *_scaled(product, alpha, output)]


def _quick_gelu(node: NodeProto, region: Region) -> list[NodeProto]:
    """QuickGelu is x times Sigmoid(alpha x)."""
    del region
    given, output = node.input[0], node.output[0]
    alpha, scaled, gate = float(attribute(node, "alpha", _QUICK_GELU_ALPHA)), f"{output}_scaled", f"{output}_gate"
    return [
        *_scaled(given, alpha, scaled),
        helper.make_node("Sigmoid", [scaled], [gate]),
        helper.make_node("Mul", [given, gate], [output], node.name),
    ]


def _scaled(name: str, factor: float, output: str) -> list[NodeProto]:
    constant = f"{output}_factor"
    return [
        helper.make_node("Constant", [], [constant], value_float=factor),
        helper.make_node("Mul", [name, constant], [output]),
    ]


def _plain(op: str, node: NodeProto, inputs: Sequence[str], output: str, *, drop: Any) -> NodeProto:
    made = helper.make_node(op, list(inputs), [output], node.name)
    made.attribute.extend(
        AttributeProto.FromString(a.SerializeToString()) for a in node.attribute if a.name not in drop
    )
    return made


_FUSED: dict[str, Callable[[NodeProto, Region], list[NodeProto] | None]] = {
    "FusedConv": _conv,
    "FusedGemm": _gemm,
    "FusedMatMul": _matmul,
    "QuickGelu": _quick_gelu,
}
