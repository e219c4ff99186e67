"""The two ends of the deviation scale: what changes nothing, and what leaves nothing.

A deviation means little by itself. The floor is the baseline against itself under half a gray level
of input noise, which no one can see; the ceiling is the baseline against copies with re-drawn
weights, which have learned nothing (Adebayo et al. 2018, arXiv:1810.03292). Both are taken per sample and by every
measure, under the method that explains the candidates.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress_onnx.errors import ModelError
from compress_onnx.metrics import Anchors, MapSimilarities, flat, joined, map_similarities
from compress_onnx.options import Progress, silent
from compress_onnx.saliency.batching import Pace
from compress_onnx.saliency.maps_on_disk import MapsOnDisk
from compress_onnx.saliency.task import SaliencyTask

# Half a gray level of 0 to 255, in pixels divided by 255.
HALF_GRAY_LEVEL = 0.5 / 255
# Copies with re-drawn weights over all samples: one alone may by luck look where the baseline looks, or nowhere.
COPIES = 8


def noise_amplitude(std: Iterable[float]) -> NDArray[np.float32]:
    """Return half a gray level per channel, in units of a model input that was divided by ``std``.

    >>> (noise_amplitude([0.25, 0.5]) * 255).round(3).tolist()
    [2.0, 1.0]
    """
    return np.asarray([HALF_GRAY_LEVEL / value for value in std], dtype=np.float32)


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

    The values stay, so that activations keep their size and quantization ranges still fit; what was
    learned is gone. Biases and normalization statistics stay too.
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedBaseline:
    """The baseline's maps of all samples, and its per-sample similarities to the anchors."""

    maps: MapsOnDisk
    anchors: Anchors
    flat: int


def explained_with_anchors(
    twin: nn.Module, task: SaliencyTask, *, rng: np.random.Generator, progress: Progress = silent
) -> ExplainedBaseline:
    """Explain the samples, at least one, under the twin as it is, under noise, and with re-drawn weights.

    One pass over the inputs. The ceiling is ``None`` with a reason where a copy's numbers overflow.

    Errors
    ------
    ModelError
        if a map of the twin itself is NaN or infinite.
    """
    maps, flat_maps = MapsOnDisk(), 0
    floor: list[MapSimilarities] = []
    noise_rng, weight_rng = rng.spawn(2)
    ceiling = _Ceiling(twin, task, weight_rng)
    pace = Pace(progress, len(task), f"{task.method} maps and anchors")
    for rows, batch in task.inputs(twin):
        here = task.explain(twin, batch, rows)
        maps.append(here)
        flat_maps += int(flat(here).sum())
        noise = noisy(batch, task.noise_amplitude, noise_rng, channel_axis=task.channel_axis)
        floor.append(map_similarities(here, task.explain(twin, noise, rows)))
        ceiling.add(rows, batch, here)
        pace.done(rows.stop)
    anchors = Anchors(floor=joined(floor), ceiling=ceiling.similarities(), missing=ceiling.missing)
    return ExplainedBaseline(maps=maps, anchors=anchors, flat=flat_maps)


class _Ceiling:
    """The similarities to copies with re-drawn weights, a new copy every so many batches."""

    def __init__(self, twin: nn.Module, task: SaliencyTask, rng: np.random.Generator) -> None:
        self._twin, self._task, self._rng = twin, task, rng
        self._samples_per_copy = -(-len(task) // COPIES)
        self._copy = twin
        self._next = 0
        self._found: list[MapSimilarities] = []
        self.missing: str | None = None

    def add(self, rows: slice, batch: NDArray[np.float32], maps: NDArray[np.float32]) -> None:
        """Explain a batch under the copy whose turn it is; nothing more after one that overflowed."""
        if self.missing is not None:
            return
        if rows.start >= self._next:
            self._copy = redrawn(self._twin, self._rng)
            self._next = rows.start + self._samples_per_copy
        try:
            self._found.append(map_similarities(maps, self._task.explain(self._copy, batch, rows)))
        except ModelError as error:
            self.missing = f"The copy with re-drawn weights has no maps: {error}"

    def similarities(self) -> MapSimilarities | None:
        """Return those of all samples, or ``None`` where they are not all there."""
        return joined(self._found) if self.missing is None else None
