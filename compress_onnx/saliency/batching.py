"""Samples in batches of the size a model takes, and how far along they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compress_onnx.options import Progress
from compress_onnx.ort import filled
from compress_onnx.saliency.twin import fixed_batch

E = TypeVar("E", bound=np.generic)

# Larger batches bring no further speed on a CPU and only cost memory.
BATCH = 32


def slices(count: int, module: nn.Module) -> Iterator[slice]:
    """Yield the rows of each batch, 32 at a time or as many as the module's file was fixed to.

    >>> list(slices(40, nn.Identity()))
    [slice(0, 32, None), slice(32, 40, None)]
    """
    size = fixed_batch(module) or BATCH
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def as_batch(values: NDArray[E], module: nn.Module) -> NDArray[E]:
    """Return the rows (B, ...), filled up to the batch the module's file was fixed to.

    >>> as_batch(np.arange(2), nn.Identity()).tolist()
    [0, 1]
    """
    return np.ascontiguousarray(filled(values, max(fixed_batch(module) or 0, len(values))))


class Pace:
    """Tells a progress how many of ``total`` images are done, and how many are done per second.

    >>> seconds = iter([0.0, 2.0])
    >>> pace = Pace(lambda fraction, text: print(fraction, text), 40, "gradient maps", now=lambda: next(seconds))
    >>> pace.done(10)
    0.25 gradient maps, 5 images/s
    """

    def __init__(
        self, progress: Progress, total: int, what: str, *, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._progress, self._total, self._what, self._now = progress, total, what, now
        self._begin = now()

    def done(self, images: int) -> None:
        """Tell that so many images are done, counted from the start."""
        spent = self._now() - self._begin
        rate = f", {images / spent:.3g} images/s" if spent > 0 else ""
        self._progress(images / self._total, f"{self._what}{rate}")


def as_images(batch: NDArray[np.float32], module: nn.Module) -> torch.Tensor:
    """Return :func:`as_batch` (B, ., ., .) as a tensor whose second axis lies innermost in memory.

    Fed so, oneDNN convolves and PyTorch pools up to twice as fast; the values are the same.
    """
    return torch.from_numpy(as_batch(batch, module)).contiguous(memory_format=torch.channels_last)


def between(progress: Progress, low: float, high: float) -> Progress:
    """Return the progress of one part of a longer step, which runs from ``low`` to ``high`` of it.

    >>> between(lambda fraction, description: print(fraction, description), 0.5, 1.0)(0.5, "maps")
    0.75 maps
    """
    return lambda fraction, description: progress(low + fraction * (high - low), description)
