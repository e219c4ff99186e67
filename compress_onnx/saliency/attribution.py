"""Attributions: which pixels a logit depends on. The only door to captum.

A method is a function ``(module, inputs, targets) -> attributions`` of the inputs' shape, found by
name through the extension point ``compress_onnx.attributions``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from captum.attr import Saliency
from numpy.typing import NDArray
from torch import nn

from compress_onnx.errors import DataError, ModelError, PluginError
from compress_onnx.extension_points import Attribution, attributions
from compress_onnx.saliency.batching import filled


def gradient(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the absolute gradient of each sample's target logit by its input values.

    The study's gradient saliency (Simonyan et al. 2014, arXiv:1312.6034): how strongly a value
    moves the logit, in whichever direction. ``inputs`` (N, C, H, W) float32, ``targets`` (N,)
    int64; one backward pass for the whole batch.
    """
    # A leaf of its own: captum warns about inputs that take no gradient, and the caller's are not touched.
    leaf = inputs.detach().clone().requires_grad_()
    found: torch.Tensor = Saliency(module).attribute(leaf, target=targets, abs=True)
    return found.detach()


def attribute(
    method_name: str,
    module: nn.Module,
    batches: Iterable[NDArray[np.float32]],
    targets: NDArray[np.int64],
    *,
    channel_axis: int = 1,
) -> NDArray[np.float32]:
    """Return one saliency map per sample, (N, H, W) float32.

    ``batches`` yield (B, C, H, W) float32, together as many samples as ``targets`` (N,). Channels
    (axis 1, or 3 for models that take them last) are reduced by the largest absolute value
    (Simonyan et al. 2014). No samples: (0, 0, 0).

    Errors
    ------
    UnknownNameError
        if there is no method of this name.
    DataError
        if there are more or fewer samples than targets.
    ModelError
        if an attribution is NaN or infinite.
    """
    method = attributions()[method_name]
    maps: list[NDArray[np.float32]] = []
    done = 0
    for batch in batches:
        chosen = targets[done : done + len(batch)]
        done += len(batch)
        if len(chosen) == len(batch) > 0:
            maps.append(batch_maps(method, module, batch, chosen, channel_axis=channel_axis))
    if done != len(targets):
        raise DataError("one target per sample", f"{len(targets)} targets for {done} samples")
    return np.concatenate(maps) if maps else np.zeros((0, 0, 0), dtype=np.float32)


def batch_maps(
    method: Attribution,
    module: nn.Module,
    batch: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    channel_axis: int = 1,
) -> NDArray[np.float32]:
    """Return the maps (B, H, W) float32 of one batch (B, C, H, W), B at least 1; see :func:`attribute`."""
    inputs = torch.from_numpy(filled(batch, module))
    found = method(module, inputs, torch.from_numpy(filled(targets, module)))
    if tuple(found.shape) != tuple(inputs.shape):
        raise PluginError(f"attributions of shape {tuple(inputs.shape)}", str(tuple(found.shape)))
    maps: NDArray[np.float32] = found.detach().abs().amax(dim=channel_axis)[: len(batch)].float().numpy()
    if not np.isfinite(maps).all():
        broken = int((~np.isfinite(maps)).any(axis=(1, 2)).sum())
        raise ModelError("finite attributions", f"NaN or infinity for {broken} of {len(batch)} samples of a batch")
    return maps
