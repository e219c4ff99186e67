"""Training batches from pictures in memory: shuffled, cropped and flipped by the epoch's own generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from compress_onnx.errors import DataError
from compress_onnx.records import DatasetInfo, Preprocessing
from compress_onnx.zoo.recipe import TrainingRecipe


class LabeledImages(Protocol):
    """What training needs of a set of images; the data package's image sets have it."""

    @property
    def info(self) -> DatasetInfo:
        """Name, split, classes and content hash."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Class indices (N,), or ``None``."""

    def __len__(self) -> int: ...

    def pixels(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        """Return images ``start`` to ``stop``, (B, H, W, 3) uint8, resized to the model's size."""


def in_memory(images: LabeledImages, preprocessing: Preprocessing) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all pictures (N, 3, H, W) uint8 and labels (N,) int64.

    Errors
    ------
    DataError
        if the set has no images or no labels.
    """
    if images.labels is None or len(images) == 0:
        raise DataError(
            "labeled images to train and test on",
            "no labels" if len(images) else "no images",
            where=f"{images.info.name}:{images.info.split}",
            remedy="Give data with labels.",
        )
    pixels = torch.from_numpy(images.pixels(0, len(images), preprocessing))
    return pixels.permute(0, 3, 1, 2).contiguous(), torch.from_numpy(images.labels)


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Return the generator of one epoch: it depends on nothing else, so training can resume anywhere."""
    return np.random.default_rng([seed, epoch])


def training_batches(
    pixels: torch.Tensor, labels: torch.Tensor, recipe: TrainingRecipe, *, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield one epoch in random order as (B, 3, H, W) uint8 and (B,) int64, without a last partial batch.

    A set smaller than the recipe's batch is one batch.
    """
    order = torch.from_numpy(rng.permutation(len(labels)))
    size = min(recipe.batch, len(labels))
    for start in range(0, len(labels) - size + 1, size):
        rows = order[start : start + size]
        yield varied(pixels[rows], recipe, rng=rng), labels[rows]


def varied(pictures: torch.Tensor, recipe: TrainingRecipe, *, rng: np.random.Generator) -> torch.Tensor:
    """Return pictures (B, 3, H, W) uint8, each cropped, flipped and lit at random, as the recipe says."""
    if recipe.crop_padding:
        pictures = _cropped(pictures, recipe.crop_padding, rng)
    if recipe.flip:
        mirror = torch.from_numpy(rng.random(len(pictures)) < 0.5)
        pictures = torch.where(mirror[:, None, None, None], pictures.flip(3), pictures)
    return _lit(pictures, recipe.light, rng) if recipe.light else pictures


def _cropped(pictures: torch.Tensor, padding: int, rng: np.random.Generator) -> torch.Tensor:
    # torch cannot reflect-pad uint8; float32 holds 0 to 255 exactly.
    padded = functional.pad(pictures.float(), (padding,) * 4, mode="reflect").to(torch.uint8)
    windows = padded.unfold(2, pictures.shape[2], 1).unfold(3, pictures.shape[3], 1)
    down, right = torch.from_numpy(rng.integers(0, 2 * padding + 1, size=(2, len(pictures))))
    return windows[torch.arange(len(pictures)), :, down, right]


def _lit(pictures: torch.Tensor, light: float, rng: np.random.Generator) -> torch.Tensor:
    """Scale contrast around each picture's mean, then brightness, each by 1 - light to 1 + light."""
    contrast, brightness = torch.from_numpy(rng.uniform(1 - light, 1 + light, size=(2, len(pictures), 1, 1, 1))).float()
    values = pictures.float()
    mean = values.mean((1, 2, 3), keepdim=True)
    lit: torch.Tensor = ((values - mean) * contrast + mean) * brightness
    return lit.round().clamp(0, 255).to(torch.uint8)


def normalized(pictures: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Return (B, 3, H, W) uint8 pictures as model inputs, float32: ``(pixel / 255 - mean) / std`` per channel.

    >>> gray = Preprocessing(height=1, width=1, mean=(0.5,), std=(0.5,))
    >>> normalized(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), gray).item()
    1.0
    """
    mean = torch.tensor(preprocessing.mean)[:, None, None]
    std = torch.tensor(preprocessing.std)[:, None, None]
    return (pictures.float() / 255 - mean) / std


def channel_statistics(pixels: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of (N, C, H, W) uint8 pixels scaled to [0, 1], to 4 digits.

    A constant channel gets the standard deviation 1.

    >>> channel_statistics(torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    of_channels = pixels.transpose(0, 1).flatten(1)
    means, stds = [], []
    for values in of_channels:
        counts = torch.bincount(values.int(), minlength=256).double()
        gray = torch.arange(256, dtype=torch.float64) / 255
        mean = float((counts * gray).sum() / counts.sum())
        variance = float((counts * (gray - mean) ** 2).sum() / counts.sum())
        means.append(round(mean, 4))
        stds.append(round(variance**0.5, 4) or 1.0)
    return tuple(means), tuple(stds)
