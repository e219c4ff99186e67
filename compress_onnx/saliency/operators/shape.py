"""Shapes: asked for, computed with, and given to tensors, also where they depend on the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node, computed, function, stored


class Reshape(nn.Module):
    """Another shape for the same values; the shape is built in, or computed while the model runs."""

    def __init__(self, sizes: Sequence[int] | None, *, zero_is_a_size: bool) -> None:
        super().__init__()
        self.sizes = sizes
        self.zero_is_a_size = zero_is_a_size

    def forward(self, values: torch.Tensor, shape: torch.Tensor | None = None) -> torch.Tensor:
        """Return the values in the shape; 0 keeps the input's size there, -1 is what is left."""
        sizes = self.sizes if self.sizes is not None else (shape.tolist() if shape is not None else [])
        if not self.zero_is_a_size:
            sizes = [values.shape[place] if size == 0 else size for place, size in enumerate(sizes)]
        return values.reshape(tuple(sizes))


def _reshape(node: Node) -> nn.Module:
    sizes = None if node.known(1) is None else node.constant(1).tolist()
    return Reshape(sizes, zero_is_a_size=bool(node.attribute("allowzero", 0)))


def _flatten(node: Node) -> nn.Module:
    axis = node.attribute("axis", 1)

    def flatten(values: torch.Tensor) -> torch.Tensor:
        cut = axis % values.ndim if axis < 0 else axis
        return values.reshape(math.prod(values.shape[:cut]), math.prod(values.shape[cut:]))

    return Function(flatten)


def _squeeze(node: Node) -> nn.Module:
    axes = node.axes(1)
    return Function(lambda values: values.squeeze() if axes is None else values.squeeze(axes))


def unsqueezed(values: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """Return the values with new axes of size 1 at the given places of the result.

    >>> unsqueezed(torch.zeros(3), (0, -1)).shape
    torch.Size([1, 3, 1])
    """
    rank = values.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        values = values.unsqueeze(axis)
    return values


def _unsqueeze(node: Node) -> nn.Module:
    axes = node.axes(1) or ()
    return Function(lambda values: unsqueezed(values, axes))


def _transpose(node: Node) -> nn.Module:
    order = node.raw("perm")
    return Function(lambda values: values.permute(order or tuple(reversed(range(values.ndim)))))


def _shape(node: Node) -> nn.Module:
    start, end = node.attribute("start", 0), node.raw("end")
    return Function(lambda values: torch.tensor(values.shape[start:end], dtype=torch.int64))


def _concat(node: Node) -> nn.Module:
    axis = node.attribute("axis", 0)
    return Function(lambda *values: torch.cat(values, dim=axis))


def _expanded(values: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
    return values.broadcast_to(torch.broadcast_shapes(values.shape, tuple(shape.tolist())))  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _constant(node: Node) -> nn.Module:
    tensor = node.raw("value")
    constant = stored(tensor) if tensor is not None else None
    value = _plain_constant(node) if constant is None else constant.tensor
    return Function(lambda: value)


def _plain_constant(node: Node) -> torch.Tensor:
    """Return a Constant given as a number or list; floats are float32, integers int64."""
    for name, kind in (("value_float", torch.float32), ("value_int", torch.int64)):
        for numbers in (node.raw(name), node.raw(f"{name}s")):
            if numbers is not None:
                return torch.tensor(numbers, dtype=kind)
    raise node.unsupported("a value that is sparse, text or of a type PyTorch lacks")


def _filled(node: Node) -> nn.Module:
    tensor = node.raw("value")
    constant = computed(torch.zeros(1)) if tensor is None else stored(tensor)
    if constant is None:
        raise node.unsupported("a value of a type PyTorch lacks")
    value = constant.tensor.flatten()
    return Function(lambda shape: value.expand(tuple(shape.tolist())).clone())


def _range(start: torch.Tensor, limit: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)


def _dropout(node: Node) -> nn.Module:
    training = node.optional(2)
    if training is not None and bool(training):
        raise node.unsupported("training_mode=true")
    # The ratio, where given, reaches the function and is ignored.
    return Function(lambda values, *_: values)


CONVERTERS: dict[str, Converter] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Dropout": _dropout,
    "Expand": function(_expanded),
    "Flatten": _flatten,
    "Identity": lambda _: nn.Identity(),
    "Range": function(_range),
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": function(lambda values: torch.tensor(values.numel())),
    "Squeeze": _squeeze,
    "Tile": function(lambda values, repeats: values.repeat(tuple(repeats.tolist()))),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
