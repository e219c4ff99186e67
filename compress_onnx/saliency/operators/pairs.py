"""Quantize and Dequantize as one: pairs become fake quantizations, and a swallowed ReLU is marked."""

from __future__ import annotations

import torch
from torch import fx, nn

from compress_onnx.saliency.operators.arithmetic import Add
from compress_onnx.saliency.operators.linear import Gemm
from compress_onnx.saliency.operators.normalization import BatchNorm
from compress_onnx.saliency.operators.pooling import AveragePool
from compress_onnx.saliency.operators.quantization import (
    Dequantize,
    FakeQuantize,
    Quantize,
    RectifyingFakeQuantize,
    RectifyingQuantize,
)
from compress_onnx.saliency.operators.window import Saturation

# Modules that give values of both signs, after which a network has a ReLU or a quantizer has taken it away.
_SIGNED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, Gemm, BatchNorm, Add, Saturation)

_BYTES = ((0, 255), (-128, 127))


def fuse_pairs(twin: fx.GraphModule) -> None:
    """Replace every Quantize whose users are all its own Dequantize by one FakeQuantize, in place.

    Pairs with a scale per channel, which activations hardly have, stay two modules.
    """
    modules = dict(twin.named_modules())
    for node in list(twin.graph.nodes):
        first = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(first, Quantize) or not node.users:
            continue
        first.shifted = _means_integers(first, node, modules)
        rectifies = _rectifies(first, _source(node, modules))
        users = list(node.users)
        if first.get_buffer("scale").numel() == 1 and all(
            _undoes(modules.get(str(user.target)), first) for user in users
        ):
            twin.add_submodule(str(node.target), _fused(first, RectifyingFakeQuantize if rectifies else FakeQuantize))
            _bypass(twin.graph, users, node)
        elif rectifies:
            twin.add_submodule(str(node.target), _rectifying(first))
    twin.delete_all_unused_submodules()
    twin.recompile()


def _source(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module | None:
    """Return the module that gives a node its values, ``None`` for the input."""
    given = node.args[0]
    return modules.get(str(given.target)) if isinstance(given, fx.Node) else None


def _rectifies(first: Quantize, source: nn.Module | None) -> bool:
    """Tell whether a Quantize stands for a ReLU: it cuts off all negatives of what gives both signs."""
    return isinstance(source, _SIGNED) and bool((first.get_buffer("zero_point") == first.limits[0]).all())


def _means_integers(first: Quantize, node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Tell whether a Quantize ends what the runtime does in one operator: an average pooling of 8-bit integers."""
    pooled = node.args[0]
    if not isinstance(_source(node, modules), AveragePool | nn.AvgPool2d):
        return False
    given = _source(pooled, modules) if isinstance(pooled, fx.Node) else None
    # A pair that became one stands in the table as the Quantize that it was.
    return isinstance(given, Quantize | Dequantize) and first.limits in _BYTES


def _fused(first: Quantize, kind: type[FakeQuantize]) -> FakeQuantize:
    point = first.get_buffer("zero_point").item()
    low, high = (limit - point for limit in first.limits)
    return kind(first.get_buffer("scale"), low, high, point if first.shifted else 0.0)


def _rectifying(first: Quantize) -> RectifyingQuantize:
    return RectifyingQuantize(first.get_buffer("scale"), first.get_buffer("zero_point"), first.axis, first.limits)


def _bypass(graph: fx.Graph, users: list[fx.Node], node: fx.Node) -> None:
    for user in users:
        user.replace_all_uses_with(node)
        graph.erase_node(user)


def _undoes(second: nn.Module | None, first: Quantize) -> bool:
    """Tell whether a module is the Dequantize of this Quantize: same scale, zero point and axis."""
    return (
        isinstance(second, Dequantize)
        and torch.equal(second.get_buffer("scale").flatten(), first.get_buffer("scale").flatten())
        and torch.equal(second.get_buffer("zero_point").float().flatten(), first.get_buffer("zero_point").flatten())
    )
