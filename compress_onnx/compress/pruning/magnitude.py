"""Magnitude pruning on plain arrays: which weights become zero. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def zero_count(elements: int, sparsity: float) -> int:
    """Return ⌊s·n⌋ for the sparsity as it is written, free of binary rounding.

    >>> zero_count(100, 0.29), int(0.29 * 100)
    (29, 28)
    """
    return math.floor(Fraction(str(sparsity)) * elements)


def pruned_globally(tensors: Sequence[NDArray[np.floating]], sparsity: float) -> list[NDArray[np.floating]]:
    """Return copies with the ⌊s·n⌋ smallest magnitudes of all tensors together set to zero.

    One threshold on abs(w) over all tensors (Han et al. 2015); equal magnitudes go in order of tensor,
    then position, so the result is exact, idempotent and monotone in ``sparsity``.

    >>> [t.tolist() for t in pruned_globally([np.array([[3.0, -1.0]]), np.array([[2.0, 1.0]])], 0.5)]
    [[[3.0, 0.0]], [[2.0, 0.0]]]
    """
    if not tensors:
        return []
    magnitudes = np.concatenate([_magnitudes(tensor) for tensor in tensors])
    keep = _keep_mask(magnitudes, zero_count(magnitudes.size, sparsity))
    pieces = np.split(keep, np.cumsum([tensor.size for tensor in tensors])[:-1])
    return [_zeroed(tensor, piece) for tensor, piece in zip(tensors, pieces, strict=True)]


def pruned_layerwise(tensors: Sequence[NDArray[np.floating]], sparsity: float) -> list[NDArray[np.floating]]:
    """Return copies with the ⌊s·n⌋ smallest magnitudes of each tensor by itself set to zero.

    >>> [t.tolist() for t in pruned_layerwise([np.array([[3.0, -1.0]]), np.array([[0.2, 0.1]])], 0.5)]
    [[[3.0, 0.0]], [[0.2, 0.0]]]
    """
    return [pruned_globally([tensor], sparsity)[0] for tensor in tensors]


def _magnitudes(tensor: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return abs(w) in a type that sorts: narrow floats become float32, which holds them exactly."""
    return np.asarray(np.abs(tensor.astype(np.float64 if tensor.dtype == np.float64 else np.float32))).ravel()


def _zeroed(tensor: NDArray[np.floating], keep: NDArray[np.bool_]) -> NDArray[np.floating]:
    # np.where rather than a product: -1 * 0 would be a negative zero.
    return np.where(keep.reshape(tensor.shape), tensor, tensor.dtype.type(0))


def _keep_mask(magnitudes: NDArray[np.floating], zeros: int) -> NDArray[np.bool_]:
    """Return False for exactly ``zeros`` elements: the smallest, ties by position."""
    keep = np.ones(magnitudes.shape, dtype=np.bool_)
    if zeros == 0:
        return keep
    threshold = np.partition(magnitudes, zeros - 1)[zeros - 1]
    keep[magnitudes < threshold] = False
    missing = zeros - (keep.size - int(np.count_nonzero(keep)))
    keep[np.flatnonzero(magnitudes == threshold)[:missing]] = False
    return keep
