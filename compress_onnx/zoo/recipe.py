"""One documented recipe per network: what is trained, how long, with which pictures' variations.

========== ===================================================================================
lenet5     SGD, batch 128, Nesterov momentum, weight decay 1e-3, one-cycle peak 0.05; float32. On
           GTSRB also brightness and contrast: with a fifth of the tracks held out (20 epochs, one
           seed) this reached 0.938, AdamW without them 0.902.
squeezenet SGD, batch 128, Nesterov momentum, weight decay 5e-4, one-cycle peak 0.1; bfloat16. The
           network has no normalization layers and trains slowly without (AdamW, 30 epochs of
           CIFAR-10: 0.811), so each convolution gets a BatchNorm for the training only, folded
           into its weights at the end.
resnet18   SGD, batch 128, Nesterov momentum, weight decay 5e-4, one-cycle peak 0.1 (CIFAR-10) or
           0.05 (elsewhere); bfloat16; its 11 million weights are rounded to half precision at the
           end, and the rounded network is the one that is tested.
========== ===================================================================================

Signs and digits are never flipped: their mirror images are other classes or none.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

from compress_onnx.records import record
from compress_onnx.registry import unknown

StoredPrecision: TypeAlias = Literal["float32", "float16"]


@record
class TrainingRecipe:
    """How a network is trained, fully resolved.

    The learning rate follows ``torch.optim.lr_scheduler.OneCycleLR`` per step to ``peak_rate``
    over the fraction ``warmup`` of all steps and down again. ``crop_padding`` is in pixels of
    reflect padding before a random crop of the picture's size; ``light`` is the largest relative
    change of brightness, and of contrast, of one picture. With ``batch_norm`` every convolution is
    followed by a BatchNorm until the training ends. ``stored`` is the precision of the weights file.
    ``mean`` and ``std`` normalize pixels scaled to [0, 1], per channel; ``None`` means measured on
    the training images.
    """

    network: str
    epochs: int
    batch: int
    optimizer: str
    peak_rate: float
    warmup: float
    weight_decay: float
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    crop_padding: int = 2
    flip: bool = False
    light: float = 0.0
    bfloat16: bool = False
    channels_last: bool = False
    batch_norm: bool = False
    stored: StoredPrecision = "float32"
    seed: int = 0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


_BASE = {
    "lenet5": TrainingRecipe(
        network="lenet5",
        epochs=30,
        batch=128,
        optimizer="sgd",
        peak_rate=0.05,
        warmup=0.25,
        weight_decay=1e-3,
    ),
    "squeezenet": TrainingRecipe(
        network="squeezenet",
        epochs=14,
        batch=128,
        optimizer="sgd",
        peak_rate=0.1,
        warmup=0.25,
        weight_decay=5e-4,
        bfloat16=True,
        channels_last=True,
        batch_norm=True,
    ),
    "resnet18": TrainingRecipe(
        network="resnet18",
        epochs=14,
        batch=128,
        optimizer="sgd",
        peak_rate=0.05,
        warmup=0.25,
        weight_decay=5e-4,
        bfloat16=True,
        channels_last=True,
        stored="float16",
    ),
}

_OF_DATASET: dict[str, dict[str, Any]] = {
    # The usual channel statistics of the training images.
    "cifar10": {
        "mean": (0.4914, 0.4822, 0.4465),
        "std": (0.2470, 0.2435, 0.2616),
        "crop_padding": 4,
        "flip": True,
    },
    "gtsrb": {"mean": (0.3403, 0.3121, 0.3214), "std": (0.2724, 0.2608, 0.2669)},
    "digits": {"mean": (0.31, 0.31, 0.31), "std": (0.35, 0.35, 0.35)},
}

_OF_BOTH: dict[tuple[str, str], dict[str, Any]] = {
    # 1,297 pictures make only ten steps an epoch.
    ("lenet5", "digits"): {"epochs": 100},
    ("lenet5", "gtsrb"): {"light": 0.4},
    ("squeezenet", "gtsrb"): {"epochs": 8, "light": 0.4},
    ("resnet18", "cifar10"): {"peak_rate": 0.1},
    ("resnet18", "gtsrb"): {"epochs": 7},
}


def recipe_for(network: str, dataset: str) -> TrainingRecipe:
    """Return the network's recipe with what the data set changes in it.

    A data set without an entry here keeps the network's values, is not flipped, and is normalized
    by its own training images.

    >>> recipe_for("resnet18", "cifar10").peak_rate
    0.1

    Errors
    ------
    UnknownNameError
        if no recipe exists for a network of this name.
    """
    if network not in _BASE:
        raise unknown("network", network, _BASE)
    changes = _OF_DATASET.get(dataset, {}) | _OF_BOTH.get((network, dataset), {})
    return dataclasses.replace(_BASE[network], **changes)
