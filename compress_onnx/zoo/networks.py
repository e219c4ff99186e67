"""The three networks for 32x32 RGB pictures, each a function of the number of classes.

A recipe may ask for BatchNorm while training: it is put behind every convolution and folded into its weights at the end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import models

from compress_onnx.registry import Registry

Factory: TypeAlias = Callable[[int], nn.Module]


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998) as it is built today: RGB input, ReLU, max pooling, no softmax."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, C) for images (N, 3, 32, 32)."""
        features = self.pool(torch.relu(self.conv1(images)))
        features = self.pool(torch.relu(self.conv2(features)))
        hidden = torch.relu(self.fc1(torch.flatten(features, 1)))
        logits: torch.Tensor = self.fc3(torch.relu(self.fc2(hidden)))
        return logits


def lenet5(num_classes: int) -> nn.Module:
    """Return a LeNet-5 with random weights: 62,006 parameters with 10 classes."""
    return LeNet5(num_classes)


def squeezenet(num_classes: int) -> nn.Module:
    """Return torchvision's SqueezeNet 1.0 (Iandola et al. 2016) with a 3x3 stem of stride 1.

    The stem of stride 2 would leave 2x2 maps of a 32x32 picture before the last block; with
    stride 1 they are 4x4.
    """
    network = models.squeezenet1_0(weights=None, num_classes=num_classes)
    stem = nn.Conv2d(3, 96, kernel_size=3, padding=1)
    nn.init.kaiming_uniform_(stem.weight)
    nn.init.zeros_(stem.bias)  # type: ignore[arg-type]  # the stem has a bias
    network.features[0] = stem
    built: nn.Module = network
    return built


def resnet18(num_classes: int) -> nn.Module:
    """Return torchvision's ResNet-18 (He et al. 2015) with a 3x3 stem of stride 1 and no max pool.

    11.17 million parameters with 10 classes; the stem is Kaiming-initialized, fan-out.
    """
    network = models.resnet18(weights=None, num_classes=num_classes)
    network.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    built: nn.Module = network
    return built


NETWORKS = Registry[Factory]("network")
NETWORKS.add("lenet5", lambda: lenet5)
NETWORKS.add("squeezenet", lambda: squeezenet)
NETWORKS.add("resnet18", lambda: resnet18)


def build(network: str, num_classes: int) -> nn.Module:
    """Return the named network with random weights from torch's global generator.

    Errors
    ------
    UnknownNameError
        if no network has this name; near names are in the sentence.
    """
    return NETWORKS[network](num_classes)


def count_parameters(module: nn.Module) -> int:
    """Return the number of trainable numbers in a module.

    >>> count_parameters(lenet5(10))
    62006
    """
    return sum(parameter.numel() for parameter in module.parameters())


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
