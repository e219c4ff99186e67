"""Samples in batches of the size a model takes, and how far along they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compress_onnx.config import Progress
from compress_onnx.saliency.twin import fixed_batch

E = TypeVar("E", bound=np.generic)

# Larger batches bring no further speed on a CPU and only cost memory.
BATCH = 64


def slices(count: int, module: nn.Module) -> Iterator[slice]:
    """Yield the rows of each batch, 64 at a time or as many as the module's file was fixed to.

    >>> list(slices(70, nn.Identity()))
    [slice(0, 64, None), slice(64, 70, None)]
    """
    size = fixed_batch(module) or BATCH
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def filled(values: NDArray[E], module: nn.Module) -> NDArray[E]:
    """Return the rows (B, ...), repeated from the last one up to the batch the module's file was fixed to.

    >>> filled(np.arange(2), nn.Identity()).tolist()
    [0, 1]
    """
    lacking = (fixed_batch(module) or 0) - len(values)
    if lacking > 0:
        values = np.concatenate([values, np.repeat(values[-1:], lacking, axis=0)])
    return np.ascontiguousarray(values)


def between(progress: Progress, low: float, high: float) -> Progress:
    """Return the progress of one part of a longer step, which runs from ``low`` to ``high`` of it.

    >>> between(lambda fraction, description: print(fraction, description), 0.5, 1.0)(0.5, "maps")
    0.75 maps
    """
    return lambda fraction, description: progress(low + fraction * (high - low), description)
