"""Poolings: torch's own modules where they agree with ONNX, otherwise with the border made by hand."""

from __future__ import annotations

import math

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node
from compress_onnx.saliency.operators.window import Window2d, padded, window_of


class MaxPool(nn.Module):
    """Largest value under each window, whatever the padding."""

    def __init__(self, window: Window2d) -> None:
        super().__init__()
        self.window = window

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, C, H', W') of (N, C, H, W)."""
        size = images.shape[2:]
        bordered = padded(images, self.window.padding(size), -math.inf)
        whole = padded(bordered, self.window.overhang(size), -math.inf)
        window = self.window
        return nn.functional.max_pool2d(whole, window.kernel, window.strides, dilation=window.dilations)


class AveragePool(nn.Module):
    """Mean under each window; the border counts if ``count_border``, what ``ceil_mode`` adds never does."""

    def __init__(self, window: Window2d, *, count_border: bool) -> None:
        super().__init__()
        self.window = window
        self.border_weight = float(count_border)
        self.register_buffer("ones", torch.ones(1, 1, *window.kernel))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, C, H', W') of (N, C, H, W)."""
        counted = padded(torch.ones_like(images[:1, :1]), self._border(images), self.border_weight)
        bordered = padded(images, self._border(images), 0.0)
        overhang = self.window.overhang(images.shape[2:])
        sums, counts = self.sums(padded(bordered, overhang, 0.0)), self.sums(padded(counted, overhang, 0.0))
        return sums / counts

    def _border(self, images: torch.Tensor) -> tuple[int, int, int, int]:
        return self.window.padding(images.shape[2:])

    def sums(self, images: torch.Tensor) -> torch.Tensor:
        """Return the sum under each window, (N, C, H', W') of images that have their border already."""
        samples, channels = images.shape[:2]
        single = images.reshape(samples * channels, 1, *images.shape[2:])
        window = self.window
        ones = self.get_buffer("ones")
        sums = nn.functional.conv2d(single, ones, stride=window.strides, dilation=window.dilations)
        return sums.reshape(samples, channels, *sums.shape[2:])


class LpPool(nn.Module):
    """The p-norm under each window."""

    def __init__(self, window: Window2d, power: int) -> None:
        super().__init__()
        self.window = window
        self.power = power
        self.averages = AveragePool(window, count_border=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, C, H', W') of (N, C, H, W)."""
        powers = images.abs() ** self.power
        bordered = padded(powers, self.window.padding(images.shape[2:]), 0.0)
        whole = padded(bordered, self.window.overhang(images.shape[2:]), 0.0)
        return self.averages.sums(whole) ** (1 / self.power)


def _torch_pads(window: Window2d) -> bool:
    """Tell whether torch's own pooling can make this border: equal, and at most half a kernel."""
    return window.symmetric and all(2 * pad <= size for pad, size in zip(window.pads, window.kernel, strict=False))


def _max_pool(node: Node) -> nn.Module:
    window = window_of(node, node.attribute("kernel_shape", [0]))
    if not _torch_pads(window):
        return MaxPool(window)
    return nn.MaxPool2d(
        window.kernel, window.strides, window.pads[:2], dilation=window.dilations, ceil_mode=window.ceil_mode
    )


def _average_pool(node: Node) -> nn.Module:
    window = window_of(node, node.attribute("kernel_shape", [0]))
    count_border = bool(node.attribute("count_include_pad", 0))
    if not _torch_pads(window) or window.dilations != (1, 1):
        return AveragePool(window, count_border=count_border)
    return nn.AvgPool2d(
        window.kernel,
        window.strides,
        window.pads[:2],
        ceil_mode=window.ceil_mode,
        count_include_pad=count_border,
    )


def _lp_pool(node: Node) -> nn.Module:
    return LpPool(window_of(node, node.attribute("kernel_shape", [0])), node.attribute("p", 2))


def _spatial(images: torch.Tensor) -> tuple[int, ...]:
    return tuple(range(2, images.ndim))


def _global_average(node: Node) -> nn.Module:
    del node
    return Function(lambda images: images.mean(dim=_spatial(images), keepdim=True))


def _global_max(node: Node) -> nn.Module:
    del node
    return Function(lambda images: images.amax(dim=_spatial(images), keepdim=True))


CONVERTERS: dict[str, Converter] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "LpPool": _lp_pool,
    "MaxPool": _max_pool,
}
