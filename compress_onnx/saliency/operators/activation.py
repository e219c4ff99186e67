"""Activations: torch's own modules, because hooks and guided backpropagation look for them."""

from __future__ import annotations

import math

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node, function, module


class Clip(nn.Module):
    """Values between two bounds, either of which may be missing."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values, clipped."""
        return values.clamp(self.low, self.high)


def _clip(node: Node) -> nn.Module:
    low, high = (_bound(node, *entry) for entry in ((1, "min", -math.inf), (2, "max", math.inf)))
    # Guided backpropagation knows ReLU6 as a rectifier, not a clip.
    return nn.ReLU6() if (low, high) == (0.0, 6.0) else Clip(low, high)


def _bound(node: Node, slot: int, name: str, missing: float) -> float:
    """Return a bound: an attribute before opset 11, an input since."""
    bound = node.optional(slot)
    return node.attribute(name, missing) if bound is None else float(bound)


def _hard_sigmoid(node: Node) -> nn.Module:
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    return Function(lambda values: (alpha * values + beta).clamp(0.0, 1.0))


def _gelu(node: Node) -> nn.Module:
    return nn.GELU(approximate=node.attribute("approximate", "none"))


def _softmax(node: Node) -> nn.Module:
    return nn.Softmax(dim=_softmax_axis(node))


def _log_softmax(node: Node) -> nn.Module:
    return nn.LogSoftmax(dim=_softmax_axis(node))


def _softmax_axis(node: Node) -> int:
    if node.opset < 13:
        raise node.unsupported("the meaning it had before opset 13")
    return node.attribute("axis", -1)


def _prelu(node: Node) -> nn.Module:
    slope = node.constant(1)
    return Function(lambda values: torch.where(values < 0, values * slope, values))


def _selu(node: Node) -> nn.Module:
    alpha, gamma = (
        node.attribute("alpha", 1.67326319217681884765625),
        node.attribute("gamma", 1.05070102214813232421875),
    )
    return Function(lambda values: gamma * nn.functional.elu(values, alpha))


def _thresholded(node: Node) -> nn.Module:
    return nn.Threshold(node.attribute("alpha", 1.0), 0.0)


def _swish(node: Node) -> nn.Module:
    alpha = node.attribute("alpha", 1.0)
    return Function(lambda values: values * torch.sigmoid(alpha * values))


CONVERTERS: dict[str, Converter] = {
    "Celu": lambda node: nn.CELU(node.attribute("alpha", 1.0)),
    "Clip": _clip,
    "Elu": lambda node: nn.ELU(node.attribute("alpha", 1.0)),
    "Erf": function(torch.erf),
    "Gelu": _gelu,
    "com.microsoft::Gelu": module(nn.GELU),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": module(nn.Hardswish),
    "LeakyRelu": lambda node: nn.LeakyReLU(node.attribute("alpha", 0.01)),
    "LogSoftmax": _log_softmax,
    "Mish": module(nn.Mish),
    "PRelu": _prelu,
    "Relu": module(nn.ReLU),
    "Selu": _selu,
    "Sigmoid": module(nn.Sigmoid),
    "Softmax": _softmax,
    "Softplus": module(nn.Softplus),
    "Softsign": module(nn.Softsign),
    "Swish": _swish,
    "Tanh": module(nn.Tanh),
    "ThresholdedRelu": _thresholded,
}
