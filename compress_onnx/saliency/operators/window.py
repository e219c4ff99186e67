"""Sliding windows as ONNX describes them: padding, automatic padding, and how many windows fit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch

from compress_onnx.saliency.operators.node import Node

Padding = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A two-dimensional window; pairs are (height, width), ``pads`` (top, left, bottom, right).

    ``auto_pad`` is ``NOTSET``, ``VALID``, ``SAME_UPPER`` or ``SAME_LOWER``; ``ceil_mode`` lets a
    last window hang over the end.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: Padding = (0, 0, 0, 0)
    auto_pad: str = "NOTSET"
    ceil_mode: bool = False

    @property
    def fixed(self) -> bool:
        """Whether the padding is the same for every image size."""
        return self.auto_pad in {"NOTSET", "VALID"}

    @property
    def symmetric(self) -> bool:
        """Whether PyTorch can pad by itself: equally at both ends, whatever the image size."""
        return self.fixed and self.pads[:2] == self.pads[2:]

    def padding(self, size: Sequence[int]) -> Padding:
        """Return (left, right, top, bottom), PyTorch's order, for an image of (height, width).

        >>> Window(kernel=(3, 3), strides=(2, 2), auto_pad="SAME_UPPER").padding((4, 4))
        (0, 1, 0, 1)
        """
        if self.fixed:
            top, left, bottom, right = self.pads
            return (left, right, top, bottom)
        (top, bottom), (left, right) = (self._same(size[axis], axis) for axis in (0, 1))
        return (left, right, top, bottom)

    def _same(self, size: int, axis: int) -> tuple[int, int]:
        windows = math.ceil(size / self.strides[axis])
        total = max((windows - 1) * self.strides[axis] + self._extent(axis) - size, 0)
        small, large = total // 2, total - total // 2
        return (small, large) if self.auto_pad == "SAME_UPPER" else (large, small)

    def _extent(self, axis: int) -> int:
        return (self.kernel[axis] - 1) * self.dilations[axis] + 1

    def overhang(self, size: Sequence[int]) -> Padding:
        """Return what ``ceil_mode`` adds behind the padding, (0, right, 0, bottom).

        A window that would start behind the image and its leading padding is left out, as in ONNX
        Runtime.

        >>> Window(kernel=(2, 2), strides=(2, 2), ceil_mode=True).overhang((5, 4))
        (0, 0, 0, 1)
        """
        if not self.ceil_mode:
            return (0, 0, 0, 0)
        left, right, top, bottom = self.padding(size)
        return (0, self._hanging(size[1], (left, right), 1), 0, self._hanging(size[0], (top, bottom), 0))

    def _hanging(self, size: int, pads: tuple[int, int], axis: int) -> int:
        padded, stride, extent = size + sum(pads), self.strides[axis], self._extent(axis)
        steps = math.ceil((padded - extent) / stride)
        if steps * stride >= size + pads[0]:
            steps -= 1
        return max(steps * stride + extent - padded, 0)


def window_of(node: Node, kernel: Sequence[int]) -> Window:
    """Return the window a Conv or pooling node describes; only two dimensions are handled."""
    if len(kernel) != 2:
        raise node.unsupported(f"{len(kernel)} spatial dimensions")
    strides = node.attribute("strides", [1, 1])
    dilations = node.attribute("dilations", [1, 1])
    auto_pad = node.attribute("auto_pad", "NOTSET")
    top, left, bottom, right = node.attribute("pads", [0, 0, 0, 0]) if auto_pad == "NOTSET" else (0, 0, 0, 0)
    return Window(
        kernel=(kernel[0], kernel[1]),
        strides=(strides[0], strides[1]),
        dilations=(dilations[0], dilations[1]),
        pads=(top, left, bottom, right),
        auto_pad=auto_pad,
        ceil_mode=bool(node.attribute("ceil_mode", 0)),
    )


def padded(images: torch.Tensor, pads: Padding, value: float) -> torch.Tensor:
    """Return (N, C, H, W) images with a constant border; none is added where ``pads`` are all zero."""
    return torch.nn.functional.pad(images, pads, value=value) if any(pads) else images
