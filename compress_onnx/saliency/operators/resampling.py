"""Borders and sizes of images: Pad and Interpolate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Node

_PAD_MODES = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}
# (mode, coordinate transformation, rounding) of ONNX that mean the same as (mode, align_corners) of PyTorch.
_RESIZE_MODES: dict[tuple[str, str, str], tuple[str, bool | None]] = {
    ("nearest", "asymmetric", "floor"): ("nearest", None),
    ("nearest", "half_pixel", "round_prefer_ceil"): ("nearest-exact", None),
    ("linear", "half_pixel", ""): ("bilinear", False),
    ("linear", "pytorch_half_pixel", ""): ("bilinear", False),
    ("linear", "align_corners", ""): ("bilinear", True),
    ("cubic", "half_pixel", ""): ("bicubic", False),
    ("cubic", "pytorch_half_pixel", ""): ("bicubic", False),
    ("cubic", "align_corners", ""): ("bicubic", True),
}


def torch_padding(pads: Sequence[int], axes: Sequence[int], rank: int) -> list[int]:
    """Return PyTorch's padding list, last axis first, for ONNX's (starts..., ends...) over ``axes``.

    >>> torch_padding([1, 2, 3, 4], axes=[2, 3], rank=4)
    [2, 4, 1, 3]
    """
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = pads[place], pads[place + len(axes)]
    used = [axis for axis in range(rank) if before[axis] or after[axis]]
    first = min(used, default=rank)
    return [size for axis in reversed(range(first, rank)) for size in (before[axis], after[axis])]


class Pad(nn.Module):
    """A border around a tensor."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(
        self,
        values: torch.Tensor,
        pads: torch.Tensor,
        fill: torch.Tensor | None = None,
        axes: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the bordered tensor; negative sizes cut."""
        along = range(values.ndim) if axes is None else [axis % values.ndim for axis in axes.tolist()]
        padding = torch_padding(pads.tolist(), list(along), values.ndim)
        if self.mode == "constant":
            return nn.functional.pad(values, padding, value=0.0 if fill is None else fill.item())
        return nn.functional.pad(values, padding, mode=self.mode)


def _pad(node: Node) -> nn.Module:
    mode = node.attribute("mode", "constant")
    if mode not in _PAD_MODES:
        raise node.unsupported(f"mode {mode}")
    return Pad(_PAD_MODES[mode])


class Interpolate(nn.Module):
    """Images (N, C, H, W) in another size."""

    def __init__(self, mode: str, *, align_corners: bool | None) -> None:
        super().__init__()
        self.mode = mode
        self.align_corners = align_corners

    def forward(
        self,
        images: torch.Tensor,
        _: torch.Tensor | None = None,
        scales: torch.Tensor | None = None,
        sizes: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the resized images; exactly one of ``scales`` and ``sizes`` (rank 4 each) counts."""
        size = None if sizes is None else tuple(sizes.tolist()[2:])
        factor = tuple(scales.tolist()[2:]) if scales is not None and size is None else None
        return nn.functional.interpolate(images, size, factor, self.mode, self.align_corners)


def _resize(node: Node) -> nn.Module:
    mode = node.attribute("mode", "nearest")
    transformation = node.attribute("coordinate_transformation_mode", "half_pixel")
    rounding = node.attribute("nearest_mode", "round_prefer_floor") if mode == "nearest" else ""
    special = node.raw("axes") or node.attribute("antialias", 0) or node.attribute("exclude_outside", 0)
    # With scales that give no whole size, aligned corners lie elsewhere in ONNX than in PyTorch.
    unaligned = transformation == "align_corners" and not node.has(3)
    if (mode, transformation, rounding) not in _RESIZE_MODES or special or unaligned:
        raise node.unsupported(f"mode {mode}, {transformation} {rounding}".rstrip())
    chosen, align_corners = _RESIZE_MODES[mode, transformation, rounding]
    return Interpolate(chosen, align_corners=align_corners)


CONVERTERS: dict[str, Converter] = {"Pad": _pad, "Resize": _resize}
