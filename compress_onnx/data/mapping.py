"""Large arrays in temporary files that are mapped into memory: what has no room there is still an array."""

from __future__ import annotations

import tempfile
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Arrays of one kind beyond this many bytes together go to files: 87,000 pictures of 32 x 32, 1,783 of 224 x 224.
IN_MEMORY_BYTES = 256 * 2**20

A = TypeVar("A", bound=np.generic)


def mapped_empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array in a temporary file without a name: it is gone with the array."""
    if 0 in shape:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="compress-onnx-") as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def mapped(values: NDArray[A]) -> NDArray[A]:
    """Return a copy of an array in a temporary file.

    >>> mapped(np.arange(3)).tolist()
    [0, 1, 2]
    """
    copy = mapped_empty(values.shape, values.dtype)
    copy[...] = values
    return copy
