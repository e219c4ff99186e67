"""Normalizations in inference form: statistics are those stored in the file, or of the sample itself."""

from __future__ import annotations

import torch
from torch import nn

from compress_onnx.saliency.operators.node import Converter, Function, Node


class BatchNorm(nn.Module):
    """``(x - mean) / sqrt(variance + epsilon) * scale + shift`` per channel, with stored statistics."""

    def __init__(
        self, scale: torch.Tensor, shift: torch.Tensor, statistics: list[torch.Tensor], epsilon: float
    ) -> None:
        super().__init__()
        for name, values in zip(("scale", "shift", "mean", "variance"), (scale, shift, *statistics), strict=True):
            self.register_buffer(name, values)
        self.epsilon = epsilon

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the normalized (N, C, ...)."""
        scale, shift, mean, variance = (self.get_buffer(name) for name in ("scale", "shift", "mean", "variance"))
        return nn.functional.batch_norm(images, mean, variance, scale, shift, eps=self.epsilon)


def _batch_norm(node: Node) -> nn.Module:
    if node.attribute("training_mode", 0):
        raise node.unsupported("training_mode=1")
    statistics = [node.constant(3), node.constant(4)]
    return BatchNorm(node.constant(1), node.constant(2), statistics, node.attribute("epsilon", 1e-5))


def _layer_norm(node: Node) -> nn.Module:
    axis, epsilon = node.attribute("axis", -1), node.attribute("epsilon", 1e-5)
    scale, shift = node.constant(1), node.optional(2)

    def normalize(values: torch.Tensor) -> torch.Tensor:
        shape = values.shape[axis:]
        plain = nn.functional.layer_norm(values, shape, eps=epsilon) * scale
        return plain if shift is None else plain + shift

    return Function(normalize)


def _instance_norm(node: Node) -> nn.Module:
    scale, shift, epsilon = node.constant(1), node.constant(2), node.attribute("epsilon", 1e-5)
    return Function(lambda images: nn.functional.instance_norm(images, weight=scale, bias=shift, eps=epsilon))


def _group_norm(node: Node) -> nn.Module:
    groups, epsilon = node.attribute("num_groups", 1), node.attribute("epsilon", 1e-5)
    scale, shift = node.constant(1), node.constant(2)
    if node.opset < 21:
        raise node.unsupported("one scale per group, as before opset 21")
    return Function(lambda images: nn.functional.group_norm(images, groups, scale, shift, epsilon))


def _local_response(node: Node) -> nn.Module:
    size = node.attribute("size", 1)
    if size % 2 == 0:
        raise node.unsupported("an even size")
    return nn.LocalResponseNorm(
        size, node.attribute("alpha", 1e-4), node.attribute("beta", 0.75), node.attribute("bias", 1.0)
    )


def _lp_normalization(node: Node) -> nn.Module:
    axis, power = node.attribute("axis", -1), node.attribute("p", 2)
    return Function(lambda values: nn.functional.normalize(values, p=float(power), dim=axis))


CONVERTERS: dict[str, Converter] = {
    "BatchNormalization": _batch_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_normalization,
}
