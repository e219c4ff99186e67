"""QuantizeLinear and DequantizeLinear: exact on weights, straight-through on activations.

A pair is computed as fake quantization, ``scale * clip(round(x / scale))`` with halves rounded to
even as ONNX Runtime does; its gradient is 1 where the value is kept and 0 where it clips (Bengio et
al. 2013, arXiv:1308.3432). A Quantize without its Dequantize keeps integers as float32 values, so
that gradients pass through whatever lies between.

ONNX Runtime's average pooling of integers adds the zero point before it rounds: with an odd one, halves go the other
way, and the mean of two or four integers often is a half.
"""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Node, type_name

_T = onnx.TensorProto
_RANGES: dict[int, tuple[int, int]] = {
    _T.INT4: (-8, 7),
    _T.UINT4: (0, 15),
    _T.INT8: (-128, 127),
    _T.UINT8: (0, 255),
    _T.INT16: (-32768, 32767),
    _T.UINT16: (0, 65535),
}


class _Saturate(torch.autograd.Function):
    """``clip(round(x + shift) - shift + zero_point)``; the gradient is 1 within the limits, 0 where it clips."""

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, zero_point: torch.Tensor, limits: tuple[int, int], shift: torch.Tensor | None
    ) -> torch.Tensor:
        levels = (values.round() if shift is None else (values + shift).round() - shift) + zero_point
        ctx.save_for_backward(levels)
        ctx.bounds = (limits[0] - 0.5, limits[1] + 0.5)
        return levels.clamp(*limits)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _where_kept(gradients[0], ctx), None, None, None


class _Nearest(torch.autograd.Function):
    """``scale * clip(round(x / scale + shift) - shift)``; the gradient is 1 within the limits, 0 where it clips.

    Four passes over memory forward and one backward. PyTorch's own ``fake_quantize`` multiplies by
    1 / scale, which sends some halves the other way than ONNX Runtime, and took 12 times longer.
    """

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, scale: torch.Tensor, limits: tuple[float, float], shift: float
    ) -> torch.Tensor:
        scaled = values / scale
        levels = scaled.add_(shift).round_().sub_(shift) if shift else scaled.round_()
        ctx.save_for_backward(levels)
        ctx.bounds = (limits[0] - 0.5, limits[1] + 0.5)
        return levels.clamp(*limits).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _where_kept(gradients[0], ctx), None, None, None


def _where_kept(gradient: torch.Tensor, ctx: Any) -> torch.Tensor:
    """Return the gradient where whole levels lie within the bounds, else 0, in one pass."""
    (levels,) = ctx.saved_tensors
    passed: torch.Tensor = torch.ops.aten.hardtanh_backward(gradient, levels, *ctx.bounds)
    return passed


def _along(values: torch.Tensor, axis: int, like: torch.Tensor) -> torch.Tensor:
    """Return per-channel values so that they broadcast along an axis; a scalar is returned as is."""
    if values.numel() == 1:
        return values.reshape(())
    return values.reshape([-1 if place == axis % like.ndim else 1 for place in range(like.ndim)])


class _Affine(nn.Module):
    """Scale and zero point, per tensor or per channel along ``axis``."""

    def __init__(self, scale: torch.Tensor, zero_point: torch.Tensor, axis: int) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", zero_point)
        self.axis = axis

    def spread(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale and zero point, ready to be combined with ``like``."""
        scale, zero_point = self.get_buffer("scale"), self.get_buffer("zero_point")
        return _along(scale, self.axis, like), _along(zero_point, self.axis, like)


class Quantize(_Affine):
    """Float values to integers, held as float32; with ``shifted`` the zero point is added before rounding."""

    def __init__(self, scale: torch.Tensor, zero_point: torch.Tensor, axis: int, limits: tuple[int, int]) -> None:
        super().__init__(scale, zero_point, axis)
        self.limits = limits
        self.shifted = False

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``clip(round(x / scale) + zero_point)``."""
        scale, zero_point = self.spread(values)
        levels: torch.Tensor = _Saturate.apply(
            values / scale, zero_point, self.limits, zero_point if self.shifted else None
        )
        return levels


class Dequantize(_Affine):
    """Integers to float values."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``(q - zero_point) * scale``."""
        scale, zero_point = self.spread(values)
        # Wide enough that int32 biases and their zero points lose nothing before the scale.
        shifted = values - zero_point if values.is_floating_point() else values.double() - zero_point.double()
        return shifted.to(scale.dtype) * scale


class FakeQuantize(nn.Module):
    """A Quantize and its Dequantize in one: float values to the nearest that the integers can say.

    ``low`` and ``high`` are the outermost levels, counted from the zero point; ``shift`` is what is added while
    rounding, 0 or the zero point.
    """

    def __init__(self, scale: torch.Tensor, low: float, high: float, shift: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("scale", scale.reshape(()))
        self.low, self.high, self.shift = low, high, shift

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``scale * clip(round(x / scale + shift) - shift)``."""
        nearest: torch.Tensor = _Nearest.apply(values, self.get_buffer("scale"), (self.low, self.high), self.shift)
        return nearest


class RectifyingFakeQuantize(FakeQuantize, nn.ReLU):
    """A fake quantization that took a ReLU's place: nothing below the zero point is left.

    Quantizers drop a ReLU that the clip makes superfluous. Guided backpropagation looks for
    ``nn.ReLU``; without this class it would be another method on quantized models than on float ones.
    """


class RectifyingQuantize(Quantize, nn.ReLU):
    """The same for a Quantize that stays apart from its Dequantize."""


def _quantize(node: Node) -> nn.Module:
    _refuse_blocks(node)
    point = node.known(2)
    kind = node.attribute("output_dtype", 0) or (_T.UINT8 if point is None else point.element_type)
    if kind not in _RANGES:
        raise node.unsupported(f"integers of type {type_name(kind)}")
    scale = node.constant(1)
    zero_point = torch.zeros_like(scale) if point is None else node.constant(2).to(torch.float32)
    return Quantize(scale, zero_point, node.attribute("axis", 1), _RANGES[kind])


def _dequantize(node: Node) -> nn.Module:
    scale, point = node.constant(1), node.optional(2)
    zero_point = torch.zeros_like(scale) if point is None else point
    axis, block = node.attribute("axis", 1), node.attribute("block_size", 0)
    if block:
        scale, zero_point = (_unblocked(node, values, block, axis) for values in (scale, zero_point))
        return _Blocked(scale, zero_point)
    return Dequantize(scale, zero_point.to(torch.float32) if node.known(0) is None else zero_point, axis)


class _Blocked(nn.Module):
    """Stored integers to float values, with one scale per block along one axis."""

    def __init__(self, scale: torch.Tensor, zero_point: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", zero_point)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``(q - zero_point) * scale`` element by element."""
        scale = self.get_buffer("scale")
        return (values.to(scale.dtype) - self.get_buffer("zero_point").to(scale.dtype)) * scale


def _unblocked(node: Node, values: torch.Tensor, block: int, axis: int) -> torch.Tensor:
    """Return one value per element for one value per block."""
    stored = node.known(0)
    if stored is None:
        raise node.unsupported("blocks on activations")
    return values.repeat_interleave(block, dim=axis).narrow(axis, 0, stored.tensor.shape[axis])


def _refuse_blocks(node: Node) -> None:
    if node.attribute("block_size", 0):
        raise node.unsupported("blocks on activations")


CONVERTERS: dict[str, Converter] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
    "com.microsoft::DequantizeLinear": _dequantize,
    "com.microsoft::QuantizeLinear": _quantize,
}
