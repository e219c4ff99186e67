"""From attributions to maps: one picture per sample, checked, and the same on every run."""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import LayerAttribution
from numpy.typing import NDArray
from torch import nn

from compress_onnx.errors import DataError, ModelError, PluginError
from compress_onnx.extension_points import Attribution
from compress_onnx.saliency.batching import as_batch, as_images
from compress_onnx.saliency.twin import classes, fixed_batch


class ChannelsFirst(nn.Module):
    """A module that takes (N, H, W, C), given (N, C, H, W) as every method expects."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.meta = {"fixed_batch": fixed_batch(module)}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, classes)."""
        logits: torch.Tensor = self.module(images.permute(0, 2, 3, 1))
        return logits


def seeded(method: Attribution, seed: int) -> Attribution:
    """Return a method whose every call draws the same numbers, and leaves torch's generator as it was."""

    def call(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would note a stack trace for the GPUs there are not, every time.
            torch.default_generator.manual_seed(seed)
            attributions: torch.Tensor = method(module, inputs, targets)
            return attributions

    return call


def batch_maps(
    method: Attribution,
    module: nn.Module,
    batch: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    channel_axis: int = 1,
) -> NDArray[np.float32]:
    """Return one saliency map per sample, (B, H, W) float32, of one batch of at least one sample.

    ``batch`` (B, C, H, W) float32, or (B, H, W, C) where ``channel_axis`` is 3; ``targets`` (B,)
    the class explained per sample. Channels are reduced by the largest absolute value (Simonyan et
    al. 2014); maps of another size than the picture's are scaled to it bilinearly. Where the method
    draws numbers, they are those of seed 0 unless it is :func:`seeded` otherwise.

    Errors
    ------
    DataError
        if there is not one target per sample, or one is not a class of the model.
    ModelError
        if an attribution is NaN or infinite.
    PluginError
        if the method returns attributions of no such shape.
    """
    _check_targets(targets, len(batch), classes(module))
    inputs = as_images(batch, module)
    if channel_axis == 3:
        module, inputs = ChannelsFirst(module), inputs.permute(0, 3, 1, 2)
    attributions = seeded(method, 0)(module, inputs, torch.from_numpy(as_batch(targets, module)))
    maps: NDArray[np.float32] = _as_maps(attributions.detach(), inputs)[: len(batch)].float().numpy()
    if not np.isfinite(maps).all():
        broken = int((~np.isfinite(maps)).any(axis=(1, 2)).sum())
        raise ModelError("finite attributions", f"NaN or infinity for {broken} of {len(batch)} samples of a batch")
    return maps


def _check_targets(targets: NDArray[np.int64], samples: int, classes: int | None) -> None:
    if len(targets) != samples:
        raise DataError("one target per sample", f"{len(targets)} targets for {samples} samples")
    if targets.min() < 0 or (classes is not None and targets.max() >= classes):
        allowed = "0 or more" if classes is None else f"0 to {classes - 1}"
        raise DataError(f"target classes from {allowed}", f"targets from {targets.min()} to {targets.max()}")


def _as_maps(attributions: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Return (N, H, W) of attributions (N, C, H, W) or maps (N, h, w)."""
    if attributions.shape == inputs.shape:
        return attributions.abs().amax(dim=1)
    if attributions.ndim != 3 or len(attributions) != len(inputs):
        wanted = f"attributions of shape {tuple(inputs.shape)} or maps ({len(inputs)}, h, w)"
        raise PluginError(wanted, str(tuple(attributions.shape)))
    scaled: torch.Tensor = LayerAttribution.interpolate(attributions[:, None], tuple(inputs.shape[2:]), "bilinear")
    return scaled[:, 0]
