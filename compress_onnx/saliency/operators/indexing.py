"""Parts of tensors: slices, gathered rows, and splits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node


def sliced(values: torch.Tensor, part: slice, axis: int) -> torch.Tensor:
    """Return a slice along one axis; ONNX clamps bounds and counts from the end as Python does.

    >>> sliced(torch.arange(5), slice(None, -100, -2), 0)
    tensor([4, 2, 0])
    """
    places = range(*part.indices(values.shape[axis]))
    if places.step == 1:
        return values.narrow(axis, places.start, len(places))
    return values.index_select(axis, torch.tensor(list(places), dtype=torch.int64))


def _slice(
    values: torch.Tensor,
    starts: torch.Tensor,
    ends: torch.Tensor,
    axes: torch.Tensor | None = None,
    steps: torch.Tensor | None = None,
) -> torch.Tensor:
    count = starts.numel()
    along = range(count) if axes is None else axes.tolist()
    by = [1] * count if steps is None else steps.tolist()
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), along, by, strict=True):
        values = sliced(values, slice(start, end, step), axis)
    return values


def gathered(values: torch.Tensor, places: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the slices at ``places`` along an axis; negative places count from the end.

    >>> gathered(torch.tensor([10, 20, 30]), torch.tensor(-1), 0)
    tensor(30)
    """
    axis %= values.ndim
    size = values.shape[axis]
    flat = places.flatten().to(torch.int64)
    slices = values.index_select(axis, torch.where(flat < 0, flat + size, flat))
    return slices.reshape((*values.shape[:axis], *places.shape, *values.shape[axis + 1 :]))


def _gather(node: Node) -> nn.Module:
    axis = node.attribute("axis", 0)
    return Function(lambda values, places: gathered(values, places, axis))


def _gather_elements(node: Node) -> nn.Module:
    axis = node.attribute("axis", 0)

    def gather(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        size = values.shape[axis]
        return values.gather(axis, torch.where(places < 0, places + size, places))

    return Function(gather)


def _gather_nd(node: Node) -> nn.Module:
    batched = node.attribute("batch_dims", 0)

    def gather(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        lead = values.shape[:batched]
        count = math.prod(lead)
        flat = values.reshape((count, *values.shape[batched:]))
        within = places.reshape((count, *places.shape[batched:]))
        row = torch.arange(count).reshape([-1] + [1] * (within.ndim - 2))
        slices = flat[(row, *within.unbind(-1))]
        return slices.reshape((*lead, *slices.shape[1:]))

    return Function(gather)


def _scatter_nd(node: Node) -> nn.Module:
    reduction = node.attribute("reduction", "none")
    if reduction not in {"none", "add"}:
        raise node.unsupported(f"reduction {reduction}")

    def scatter(values: torch.Tensor, places: torch.Tensor, updates: torch.Tensor) -> torch.Tensor:
        return values.index_put(places.unbind(-1), updates, accumulate=reduction == "add")

    return Function(scatter)


class Split(nn.Module):
    """A tensor in parts along one axis: of given sizes, or as equal as possible."""

    gives_tuple = True

    def __init__(self, axis: int, parts: int) -> None:
        super().__init__()
        self.axis = axis
        self.parts = parts

    def forward(self, values: torch.Tensor, sizes: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Return one tensor per part; the last is smaller where the size does not divide."""
        chosen: Sequence[int] | None = None if sizes is None else sizes.tolist()
        step = -(-values.shape[self.axis] // self.parts)
        return torch.split(values, step if chosen is None else list(chosen), dim=self.axis)


def _split(node: Node) -> nn.Module:
    if node.raw("split") is not None:
        raise node.unsupported("sizes as an attribute, as before opset 13")
    return Split(node.attribute("axis", 0), node.outputs)


def _depth_to_space(node: Node) -> nn.Module:
    if node.attribute("mode", "DCR") != "CRD":
        raise node.unsupported("mode DCR")
    return nn.PixelShuffle(node.attribute("blocksize", 1))


def _triangle(node: Node) -> nn.Module:
    part = torch.triu if node.attribute("upper", 1) else torch.tril
    diagonal = int(node.constant(1)) if node.has(1) else 0
    return Function(lambda values: part(values, diagonal))


CONVERTERS: dict[str, Converter] = {
    "DepthToSpace": _depth_to_space,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterND": _scatter_nd,
    "Slice": lambda _: Function(_slice),
    "Split": _split,
    "Trilu": _triangle,
}
