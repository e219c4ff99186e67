"""Convolutions: torch's own modules, with the paddings that only ONNX has put in front."""

from __future__ import annotations

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node, frozen
from compress_onnx.saliency.operators.window import Window2d, padded, window_of


class PaddedConv2d(nn.Conv2d):
    """A convolution with unequal or size-dependent padding."""

    def __init__(self, window: Window2d, weight: torch.Tensor, *, groups: int, bias: bool) -> None:
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


class Gemm(nn.Module):
    """``alpha * A' B' + beta * C`` of matrices that are all computed."""

    def __init__(self, *, alpha: float, beta: float, transposed: tuple[bool, bool]) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta
        self.transposed = transposed

    def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """Return (N, M) of A (N, K), B (K, M) and C that broadcasts to (N, M)."""
        left, right = (value.T if turn else value for value, turn in zip((a, b), self.transposed, strict=True))
        product = self.alpha * (left @ right)
        return product if c is None else product + self.beta * c


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    """Return ``x @ weight.T + bias`` for a weight (M, K)."""
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    module.weight = frozen(weight)
    if bias is not None:
        module.bias = frozen(bias)
    return module


def _gemm(node: Node) -> nn.Module:
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    turned = bool(node.attribute("transA", 0)), bool(node.attribute("transB", 0))
    right = node.known(1)
    if right is None or turned[0] or not _row(node):
        return Gemm(alpha=alpha, beta=beta, transposed=turned)
    weight = node.constant(1)
    weight = weight if turned[1] else weight.T
    bias = node.optional(2)
    row = None if bias is None else (beta * bias).flatten().expand(weight.shape[0])
    return _linear(alpha * weight, row)


def _row(node: Node) -> bool:
    """Tell whether Gemm's C is absent or a constant that is the same for every sample."""
    if not node.has(2):
        return True
    addend = node.known(2)
    return addend is not None and (addend.tensor.ndim < 2 or addend.tensor.shape[0] == 1)


def _matmul(node: Node) -> nn.Module:
    right = node.known(1)
    if right is None or right.tensor.ndim != 2:
        return Function(torch.matmul)
    return _linear(node.constant(1).T, None)


def _einsum(node: Node) -> nn.Module:
    equation = node.attribute("equation", "")
    return Function(lambda *values: torch.einsum(equation, *values))


CONVERTERS: dict[str, Converter] = {**_CONVOLUTIONS, "Einsum": _einsum, "Gemm": _gemm, "MatMul": _matmul}
