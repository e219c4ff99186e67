"""What a CPU without VNNI loses of an integer product's sums, put onto the float product that stands for it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress_onnx.ort import IntegerNode, along_channels
from compress_onnx.saliency.operators.node import Node

# Operators that carry the product once an integer-only node is written out.
PRODUCTS = frozenset({"Conv", "Gemm", "MatMul"})


class Saturation(nn.Module):
    """Adds to a product what int16 saturation takes from it; straight-through: gradients see the exact product."""

    def __init__(self, node: IntegerNode, *, step: float, scales: NDArray[np.floating]) -> None:
        super().__init__()
        point = node.constant(node.slots.activation_zero)
        self._node, self._step = node, step
        self._point = 0 if point is None else int(point.reshape(-1)[0])
        self._factor = scales.astype(np.float64) * step * node.attributes.get("alpha", 1.0)

    def forward(self, product: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return the product (N, O, ...) less what its sums lose; ``values`` are the float activations."""
        levels = (values.detach() / self._step).round_().add_(self._point).clamp_(0, 255).to(torch.uint8).numpy()
        lost = self._node.lost(levels, self._point) * along_channels(self._node, self._factor, levels.ndim)
        return product + torch.from_numpy(lost.astype(np.float32))


def saturation_of(node: IntegerNode) -> Saturation | None:
    """Return the module for a node whose scales the file holds, ``None`` where they are computed."""
    step, scales = node.constant(node.slots.activation_scale), node.constant(node.slots.weight_scale)
    return None if step is None or scales is None else Saturation(node, step=step.item(), scales=scales)


Padding = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Window2d:
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

        >>> Window2d(kernel=(3, 3), strides=(2, 2), auto_pad="SAME_UPPER").padding((4, 4))
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

        >>> Window2d(kernel=(2, 2), strides=(2, 2), ceil_mode=True).overhang((5, 4))
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


def window_of(node: Node, kernel: Sequence[int]) -> Window2d:
    """Return the window a Conv or pooling node describes; only two dimensions are handled."""
    if len(kernel) != 2:
        raise node.unsupported(f"{len(kernel)} spatial dimensions")
    strides = node.attribute("strides", [1, 1])
    dilations = node.attribute("dilations", [1, 1])
    auto_pad = node.attribute("auto_pad", "NOTSET")
    top, left, bottom, right = node.attribute("pads", [0, 0, 0, 0]) if auto_pad == "NOTSET" else (0, 0, 0, 0)
    return Window2d(
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
