"""What the runtime's integer kernels add up, with and without int16 saturation, bit for bit.

Without VNNI the x86-64 kernels multiply with ``vpmaddubsw``: two neighboring products of a uint8
and an int8 are added in int16, what does not fit stops at -32,768 or 32,767, and the pairs are
summed in int32. Neighbors are the elements 2j and 2j + 1 along K, an odd K is padded with zero,
and no zero point is taken off before. Measured on AVX2-only CPUs and under ``qemu-x86_64 -cpu
Haswell``; which kernels do this stands in :mod:`~compress_onnx.ort.integer.kernels`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compress_onnx.ort.integer.window import KernelWindow

_LOW, _HIGH = -32768, 32767
_LARGEST_ACTIVATION = 255
# float32 holds every integer up to here, so sums that stay below are exact in it, in any order.
_EXACT_IN_FLOAT32 = 2**24

# uint8 or int8.
Levels: TypeAlias = NDArray[Any]


def pairs_at_risk(weights: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which pairs of weights (K, O) can overflow: (ceil(K / 2), O).

    With activations of 0 to 255, a pair overflows for some of them exactly if 255 times the sum of
    its positive weights exceeds 32,767, or that of its negative ones falls below -32,768; that is,
    if weights of one sign sum to 129 or more.

    >>> pairs_at_risk(np.array([[127, 64, -100], [2, 64, 127]], np.int8)).tolist()
    [[True, False, False]]
    """
    pairs = _paired(weights)
    return _overflowing(pairs, np.full((len(pairs), 2), _LARGEST_ACTIVATION, np.int32))


def _overflowing(pairs: NDArray[np.int32], largest: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which pairs of weights (P, 2, O) overflow for some activations up to ``largest`` (P, 2)."""
    reach = largest[..., None]
    high, low = (reach * np.maximum(pairs, 0)).sum(axis=1), (reach * np.minimum(pairs, 0)).sum(axis=1)
    return np.asarray((high > _HIGH) | (low < _LOW))


def _paired(weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return weights (K, O) as pairs (P, 2, O) of int32."""
    wide = np.pad(weights.astype(np.int32), ((0, len(weights) % 2), (0, 0)))
    return wide.reshape(-1, 2, weights.shape[1])


def lost_in_pairs(columns: NDArray[np.uint8], weights: NDArray[np.int8]) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Yield for each output channel that may overflow what each pair that may loses to saturation.

    ``columns`` (K, R) holds what ``weights`` (K, O) multiply; yielded are the channel and
    ``clip(s) - s`` (pairs, R) int32, 0 where the pair's sum s fits into int16.

    >>> columns = np.array([[255, 1], [255, 1]], np.uint8)
    >>> [(channel, lost.tolist()) for channel, lost in lost_in_pairs(columns, np.array([[127], [127]], np.int8))]
    [(0, [[-32003, 0]])]
    """
    pairs = _paired(weights)
    even = np.pad(columns, ((0, len(columns) % 2), (0, 0)))
    # What these activations cannot bring to overflow is not multiplied.
    risky = _overflowing(pairs, even.max(axis=1, initial=0).reshape(-1, 2).astype(np.int32))
    for channel in np.flatnonzero(risky.any(axis=0)).tolist():
        places = np.flatnonzero(risky[:, channel])
        first, second = (even[2 * places + half].astype(np.int32) for half in (0, 1))
        sums = first * pairs[places, 0, channel][:, None] + second * pairs[places, 1, channel][:, None]
        yield channel, np.clip(sums, _LOW, _HIGH) - sums


def lost(columns: NDArray[np.uint8], weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return what saturation takes from the sums of products: (O, R), for columns (K, R) and weights (K, O)."""
    taken = np.zeros((weights.shape[1], columns.shape[1]), np.int64)
    for channel, parts in lost_in_pairs(columns, weights):
        taken[channel] = parts.sum(axis=0)
    return taken


def sums(columns: Levels, weights: Levels) -> NDArray[np.int64]:
    """Return the exact sums of products (O, R) of columns (K, R) and weights (K, O).

    >>> sums(np.array([[2], [3]], np.uint8), np.array([[10, -1], [1, 100]], np.int8)).tolist()
    [[23], [298]]
    """
    largest = _LARGEST_ACTIVATION * np.abs(weights.astype(np.int64)).sum(axis=0).max(initial=0)
    kind = np.float32 if largest < _EXACT_IN_FLOAT32 else np.float64
    return np.asarray(weights.T.astype(kind) @ columns.astype(kind)).astype(np.int64)


def image_columns(levels: Levels, window: KernelWindow, fill: int) -> Levels:
    """Return what a convolution's weights multiply, (K, N, *positions), for images (N, C, *spatial).

    K runs as the runtime adds: kernel places in their order, then input channels. ``fill`` is the
    integer that pads, the activations' zero point.
    """
    pads = window.padding(levels.shape[2:])
    padded = np.pad(levels, ((0, 0), (0, 0), *pads), constant_values=fill).swapaxes(0, 1)
    sizes = window.positions(levels.shape[2:])
    columns = np.empty((*window.kernel, *padded.shape[:2], *sizes), levels.dtype)
    for place in itertools.product(*map(range, window.kernel)):
        columns[place] = padded[(slice(None), slice(None), *window.seen_from(place, sizes))]
    return columns.reshape(-1, len(levels), *sizes)


def matrix_columns(levels: Levels) -> Levels:
    """Return what a matrix product's weights multiply, (K, *rows), for activations (*rows, K)."""
    return np.moveaxis(levels, -1, 0)
