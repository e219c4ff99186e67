"""Convolutions: torch's own modules, with the paddings that only ONNX has put in front."""

from __future__ import annotations

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Node, frozen
from compress_onnx.saliency.operators.window import Window, padded, window_of


class PaddedConv2d(nn.Conv2d):
    """A convolution with unequal or size-dependent padding."""

    def __init__(self, window: Window, weight: torch.Tensor, *, groups: int, bias: bool) -> None:
        super().__init__(
            weight.shape[1] * groups,
            weight.shape[0],
            window.kernel,
            stride=window.strides,
            padding=window.pads[:2] if window.symmetric else 0,
            dilation=window.dilations,
            groups=groups,
            bias=bias,
            # The stored weights replace these: nothing is drawn, no generator moves.
            device="meta",
        )
        self.window = window

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, M, H', W') of (N, C, H, W)."""
        if self.window.symmetric:
            return super().forward(images)
        return super().forward(padded(images, self.window.padding(images.shape[2:]), 0.0))


def _conv(node: Node) -> nn.Module:
    weight, bias = node.constant(1), node.optional(2)
    window = window_of(node, weight.shape[2:])
    module = PaddedConv2d(window, weight, groups=node.attribute("group", 1), bias=bias is not None)
    module.weight = frozen(weight)
    if bias is not None:
        module.bias = frozen(bias)
    return module


def _conv_transpose(node: Node) -> nn.Module:
    weight, bias = node.constant(1), node.optional(2)
    window = window_of(node, weight.shape[2:])
    if not window.symmetric or node.raw("output_shape") is not None:
        raise node.unsupported("unequal or automatic padding")
    vertical, horizontal = node.attribute("output_padding", [0, 0])
    groups = node.attribute("group", 1)
    module = nn.ConvTranspose2d(
        weight.shape[0],
        weight.shape[1] * groups,
        window.kernel,
        stride=window.strides,
        padding=window.pads[:2],
        output_padding=(vertical, horizontal),
        groups=groups,
        bias=bias is not None,
        dilation=window.dilations,
        device="meta",
    )
    module.weight = frozen(weight)
    if bias is not None:
        module.bias = frozen(bias)
    return module


_CONVOLUTIONS: dict[str, Converter] = {"Conv": _conv, "ConvTranspose": _conv_transpose}
