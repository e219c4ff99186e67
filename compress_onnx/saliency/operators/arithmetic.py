"""Comparisons and choices."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn

from compress_onnx.saliency.operators.constant import torch_type, type_name
from compress_onnx.saliency.operators.node import Converter, Function, Node, function, module

_LOGIC: dict[str, Converter] = {
    "And": function(torch.logical_and),
    "Equal": function(torch.eq),
    "Greater": function(torch.gt),
    "GreaterOrEqual": function(torch.ge),
    "IsNaN": function(torch.isnan),
    "Less": function(torch.lt),
    "LessOrEqual": function(torch.le),
    "Not": function(torch.logical_not),
    "Or": function(torch.logical_or),
    "Where": function(torch.where),
    "Xor": function(torch.logical_xor),
}


class Add(nn.Module):
    """The sum of two tensors: where branches of a network meet."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return ``left + right``."""
        return left + right


def divided(numerator: torch.Tensor, denominator: torch.Tensor) -> torch.Tensor:
    """Return the quotient; ONNX cuts integer quotients towards zero.

    >>> divided(torch.tensor(-7), torch.tensor(2))
    tensor(-3)
    """
    if numerator.is_floating_point():
        return numerator / denominator
    return torch.div(numerator, denominator, rounding_mode="trunc")


def _power(base: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    return torch.pow(base, exponent).to(base.dtype)


def _mean(*values: torch.Tensor) -> torch.Tensor:
    return functools.reduce(torch.add, values) / len(values)


def _folded(operation: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Converter:
    """Return a converter for an operator of any number of inputs."""
    return function(lambda *values: functools.reduce(operation, values))


def _modulo(node: Node) -> nn.Module:
    return Function(torch.fmod if node.attribute("fmod", 0) else torch.remainder)


def _cast(node: Node) -> nn.Module:
    return _to_type(node, node.attribute("to", 0))


def _cast_like(node: Node) -> nn.Module:
    like = node.known(1)
    return Function(lambda values, like: values.to(like.dtype)) if like is None else _to_type(node, like.element_type)


def _to_type(node: Node, target: int) -> nn.Module:
    held = torch_type(target)
    # Casting to 4 bits would need clipping that no exporter asks for; casting from 4 bits is exact.
    if held is None or type_name(target) in {"int4", "uint4"}:
        raise node.unsupported(f"target type {type_name(target)}")
    return Function(lambda values, *_: values.to(held))


def _cumulative(node: Node) -> nn.Module:
    if node.attribute("exclusive", 0) or node.attribute("reverse", 0):
        raise node.unsupported("exclusive or reverse sums")
    axis = int(node.constant(1))
    return Function(lambda values: values.cumsum(axis))


CONVERTERS: dict[str, Converter] = {
    **_LOGIC,
    "Abs": function(torch.abs),
    "Add": module(Add),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Ceil": function(torch.ceil),
    "Cos": function(torch.cos),
    "CumSum": _cumulative,
    "Div": function(divided),
    "Exp": function(torch.exp),
    "Floor": function(torch.floor),
    "Log": function(torch.log),
    "Max": _folded(torch.maximum),
    "Mean": function(_mean),
    "Min": _folded(torch.minimum),
    "Mod": _modulo,
    "Mul": function(torch.mul),
    "Neg": function(torch.neg),
    "Pow": function(_power),
    "Reciprocal": function(torch.reciprocal),
    "Round": function(torch.round),
    "Sign": function(torch.sign),
    "Sin": function(torch.sin),
    "Sqrt": function(torch.sqrt),
    "Sub": function(torch.sub),
    "Sum": _folded(torch.add),
}
