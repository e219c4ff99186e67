"""Reductions over some axes or all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node

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


CONVERTERS: dict[str, Converter] = {
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
