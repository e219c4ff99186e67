"""Arithmetic and comparisons value by value, and reductions over some axes or all."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node, function, module, torch_type, type_name

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


Reduction = Callable[[torch.Tensor, tuple[int, ...], bool], torch.Tensor]


class Reduce(nn.Module):
    """One reduction; ``axes`` ``None`` means all of them."""

    def __init__(self, reduction: Reduction, axes: tuple[int, ...] | None, *, keep: bool) -> None:
        super().__init__()
        self.reduction = reduction
        self.axes = axes
        self.keep = keep

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the reduced values."""
        axes = tuple(range(values.ndim)) if self.axes is None else self.axes
        return self.reduction(values, axes, self.keep)


def _converter(reduction: Reduction) -> Converter:
    def convert(node: Node) -> nn.Module:
        axes = node.axes(1) or None
        if axes is None and node.attribute("noop_with_empty_axes", 0):
            return nn.Identity()
        return Reduce(reduction, axes, keep=bool(node.attribute("keepdims", 1)))

    return convert


def _product(values: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:  # noqa: FBT001  # see Reduction
    for axis in sorted((axis % values.ndim for axis in axes), reverse=True):
        values = values.prod(dim=axis, keepdim=keep)
    return values


def _place(reduction: Callable[..., torch.Tensor]) -> Converter:
    def convert(node: Node) -> nn.Module:
        if node.attribute("select_last_index", 0):
            raise node.unsupported("select_last_index=1")
        axis, keep = node.attribute("axis", 0), bool(node.attribute("keepdims", 1))
        return Function(lambda values: reduction(values, dim=axis, keepdim=keep))

    return convert


_REDUCTIONS: dict[str, Converter] = {
    "ArgMax": _place(torch.argmax),
    "ArgMin": _place(torch.argmin),
    "ReduceL1": _converter(lambda values, axes, keep: values.abs().sum(axes, keep)),
    "ReduceL2": _converter(lambda values, axes, keep: values.square().sum(axes, keep).sqrt()),
    "ReduceLogSumExp": _converter(torch.logsumexp),
    "ReduceMax": _converter(torch.amax),
    "ReduceMean": _converter(torch.mean),
    "ReduceMin": _converter(torch.amin),
    "ReduceProd": _converter(_product),
    "ReduceSum": _converter(torch.sum),
    "ReduceSumSquare": _converter(lambda values, axes, keep: values.square().sum(axes, keep)),
}


CONVERTERS: dict[str, Converter] = {
    **_LOGIC,
    **_REDUCTIONS,
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
