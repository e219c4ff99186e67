"""BatchNorm for training only: put behind every convolution, folded into its weights at the end."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class NormalizedConv2d(nn.Module):
    """A convolution and the BatchNorm (Ioffe and Szegedy 2015) of its outputs, while training."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return normalized feature maps (N, C, H, W)."""
        features: torch.Tensor = self.norm(self.convolution(images))
        return features


def with_batch_norm(module: nn.Module) -> nn.Module:
    """Return a copy with a BatchNorm behind every ``Conv2d``; a network that is one convolution stays one.

    >>> [type(layer).__name__ for layer in with_batch_norm(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))]
    ['NormalizedConv2d', 'ReLU']
    """
    normalized = copy.deepcopy(module)
    for parent in list(normalized.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, NormalizedConv2d(child))
    return normalized


def without_batch_norm(module: nn.Module) -> nn.Module:
    """Return a copy, in evaluation mode, whose convolutions do what the pairs of :func:`with_batch_norm` did.

    The copy has the original network's parameter names and, up to rounding, the trained outputs:
    weights times ``gamma / sqrt(variance + eps)`` per output channel, biases shifted to match.
    """
    folded = copy.deepcopy(module).eval()
    for parent in list(folded.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, NormalizedConv2d):
                setattr(parent, name, fuse_conv_bn_eval(child.convolution, child.norm))
    return folded
