"""The two ends of the deviation scale: what changes nothing, and what leaves nothing.

A deviation means little by itself. The floor is the baseline against itself under half a grey level
of input noise, which no one can see; the ceiling is the baseline against a copy with re-drawn
weights, which has learned nothing (Adebayo et al. 2018, arXiv:1810.03292).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress_onnx.config import Progress, silent
from compress_onnx.errors import ModelError
from compress_onnx.metrics.saliency_similarity import mean_absolute_deviation
from compress_onnx.saliency.task import SaliencyTask

# Half a grey level of 0 to 255, in pixels divided by 255.
HALF_GREY_LEVEL = 0.5 / 255


def noise_amplitude(std: Iterable[float]) -> NDArray[np.float32]:
    """Return half a grey level per channel, in units of a model input that was divided by ``std``.

    >>> (noise_amplitude([0.25, 0.5]) * 255).round(3).tolist()
    [2.0, 1.0]
    """
    return np.asarray([HALF_GREY_LEVEL / value for value in std], dtype=np.float32)


def noisy(
    inputs: NDArray[np.float32], amplitude: NDArray[np.float32], rng: np.random.Generator, *, channel_axis: int = 1
) -> NDArray[np.float32]:
    """Return inputs (B, C, H, W) plus uniform noise in ±``amplitude`` (C,), as float32.

    >>> noisy(np.zeros((1, 1, 1, 2), np.float32), np.zeros(1, np.float32), np.random.default_rng(0)).tolist()
    [[[[0.0, 0.0]]]]
    """
    shape = [-1 if axis == channel_axis else 1 for axis in range(inputs.ndim)]
    noise = rng.random(inputs.shape, dtype=np.float32) * 2 - 1
    return inputs + noise * amplitude.reshape(shape)


def redrawn(module: nn.Module, rng: np.random.Generator) -> nn.Module:
    """Return a copy whose every weight tensor has its values in random order.

    The values stay, so that activations keep their size and quantisation ranges still fit; what was
    learned is gone. Biases and normalisation statistics stay too.
    """
    changed = copy.deepcopy(module)
    for weight in _weights(changed):
        order = torch.from_numpy(rng.permutation(weight.numel()))
        with torch.no_grad():
            weight.copy_(weight.flatten()[order].reshape(weight.shape))
    return changed


def _weights(module: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the weight tensors: parameters of rank 2 or more, shared ones once."""
    return (parameter for parameter in module.parameters() if parameter.ndim >= 2)


def noise_floor(
    twin: nn.Module,
    task: SaliencyTask,
    maps: NDArray[np.float32],
    *,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> float:
    """Return the mean deviation of the baseline's ``maps`` (N, H, W) under input noise, over counted samples."""

    def with_noise(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return noisy(inputs, task.noise_amplitude, rng, channel_axis=task.channel_axis)

    return _mean_deviation(task, maps, task.maps(twin, progress, altered=with_noise))


def randomised_ceiling(
    twin: nn.Module,
    task: SaliencyTask,
    maps: NDArray[np.float32],
    *,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> float | None:
    """Return the mean deviation of the baseline's ``maps`` (N, H, W) from a re-drawn copy's, over counted samples.

    ``None`` where the copy's numbers overflow, so that it has no maps.
    """
    try:
        return _mean_deviation(task, maps, task.maps(redrawn(twin, rng), progress))
    except ModelError:
        return None


def _mean_deviation(
    task: SaliencyTask, maps: NDArray[np.float32], others: Iterable[tuple[slice, NDArray[np.float32]]]
) -> float:
    """Return the mean over the samples that the summaries count, so that anchors and summaries compare; one at least."""
    deviations = np.concatenate([mean_absolute_deviation(maps[rows], other) for rows, other in others])
    return float(deviations[task.counts].mean())
