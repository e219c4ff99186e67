"""How alike two attribution maps of the same picture are; every function works per sample.

Maps are (N, H, W) floats. A result that does not exist for a sample (the map is constant) is NaN
inside the array, and :mod:`compress_onnx.metrics.saliency_group` leaves it out and counts it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.ndimage import uniform_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

Maps: TypeAlias = "NDArray[np.floating[Any]]"

# The window of Wang et al.'s block-wise form and of scikit-image's default; 8-pixel maps still hold it.
SSIM_WINDOW = 7
# (0.01 L)^2 and (0.03 L)^2 with data range L = 1 (Wang et al. 2004).
_C1, _C2 = 0.01**2, 0.03**2
# The strongest tenth of the pixels: what a reader sees as "where the model looks".
TOP_FRACTION = 0.1


def normalised(maps: Maps) -> NDArray[np.float64]:
    """Scale each map to 0 to 1 by its minimum and maximum; a constant map becomes all 0.

    >>> normalised(np.array([[[1.0, 3.0]], [[5.0, 5.0]]])).tolist()
    [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    low = maps.min(axis=(1, 2), keepdims=True).astype(np.float64)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    scaled: NDArray[np.float64] = (maps - low) / np.where(span > 0, span, 1)
    return scaled


def mean_absolute_deviation(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the mean absolute difference (N,) of the normalised maps, 0 (equal) to 1.

    >>> mean_absolute_deviation(np.array([[[0.0, 2.0]]]), np.array([[[0.0, 9.0]]])).tolist()
    [0.0]
    """
    return np.asarray(np.abs(normalised(a) - normalised(b)).mean(axis=(1, 2)))


def spearman(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the rank correlation (N,) of the pixels, -1 to 1, ties at their mean rank (Spearman 1904).

    NaN where a map is constant: it has no order.

    >>> spearman(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[9.0, 5.0, 1.0]]])).round(6).tolist()
    [-1.0]
    """
    # scipy.stats takes half a second to import and is needed nowhere else.
    from scipy.stats import rankdata

    ranks = (rankdata(_flat(maps), axis=1) for maps in (a, b))
    centred_a, centred_b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    return np.clip(_correlation(centred_a, centred_b), -1, 1)


def top_k_overlap(a: Maps, b: Maps, fraction: float = TOP_FRACTION) -> NDArray[np.float64]:
    """Return the share (N,) of a's strongest pixels that are among b's strongest, 0 to 1.

    The strongest are the ``fraction`` with the largest values, at least one; among equal values
    the first in row order. NaN where a map is constant.

    >>> top_k_overlap(np.array([[[3.0, 2.0, 1.0, 0.0]]]), np.array([[[3.0, 0.0, 1.0, 2.0]]]), 0.5).tolist()
    [0.5]
    """
    flat_a, flat_b = _flat(a), _flat(b)
    k = max(1, round(fraction * flat_a.shape[1]))
    shared = np.count_nonzero(_strongest(flat_a, k) & _strongest(flat_b, k), axis=1) / k
    return np.where(_constant(flat_a) | _constant(flat_b), np.nan, shared)


def ssim(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the structural similarity (N,) of the normalised maps, -1 to 1 (equal).

    Mean over all whole windows of 7 x 7 pixels, equal weights, data range 1 (Wang, Bovik, Sheikh &
    Simoncelli 2004). NaN where the map is smaller than the window.

    >>> ssim(np.eye(8)[None], np.eye(8)[None]).round(6).tolist()
    [1.0]
    """
    if min(a.shape[1:]) < SSIM_WINDOW:
        return np.full(len(a), np.nan)
    x, y = normalised(a), normalised(b)
    mean_x, mean_y = _window_means(x), _window_means(y)
    covariance = _window_means(x * y) - mean_x * mean_y
    variances = _window_means(x * x + y * y) - mean_x**2 - mean_y**2
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    similarity: NDArray[np.float64] = (luminance * structure).mean(axis=(1, 2))
    return similarity


def cosine(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the cosine (N,) of the angle between the maps as vectors, -1 to 1; NaN for an all-zero map.

    >>> cosine(np.array([[[1.0, 0.0]]]), np.array([[[0.0, 2.0]]])).tolist()
    [0.0]
    """
    return np.clip(_correlation(_flat(a).astype(np.float64), _flat(b).astype(np.float64)), -1, 1)


def centre_of_mass_shift(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return how far the centre of the normalised map moved (N,), as a fraction of the picture's diagonal.

    NaN where a map is constant: it has no centre of its own.

    >>> centre_of_mass_shift(np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]])).tolist()
    [1.0]
    """
    diagonal = np.hypot(a.shape[1] - 1, a.shape[2] - 1) or 1.0
    moved = _centres(b) - _centres(a)
    return np.asarray(np.hypot(moved[:, 0], moved[:, 1]) / diagonal)


def _flat(maps: Maps) -> Maps:
    return maps.reshape(len(maps), -1)


def _constant(flat: Maps) -> NDArray[np.bool_]:
    return np.asarray(flat.max(axis=1) == flat.min(axis=1))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normalised inner product (N,) of rows; NaN where a row is all zero."""
    product = np.einsum("np,np->n", a, b)
    norms = np.sqrt(np.einsum("np,np->n", a, a)) * np.sqrt(np.einsum("np,np->n", b, b))
    return np.asarray(np.divide(product, norms, out=np.full(len(a), np.nan), where=norms > 0))


def _strongest(flat: Maps, k: int) -> NDArray[np.bool_]:
    """Mark exactly k pixels per row, (N, P) bool."""
    threshold = np.partition(flat, -k, axis=1)[:, -k, None]
    above = flat > threshold
    at = flat == threshold
    free = k - np.count_nonzero(above, axis=1, keepdims=True)
    return np.asarray(above | (at & (np.cumsum(at, axis=1) <= free)))


def _window_means(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    edge = SSIM_WINDOW // 2
    means: NDArray[np.float64] = uniform_filter(maps, size=SSIM_WINDOW, axes=(1, 2))
    return means[:, edge:-edge, edge:-edge]


def _centres(maps: Maps) -> NDArray[np.float64]:
    """Return the centre of mass (N, 2), row and column in pixels; NaN for a constant map."""
    mass = normalised(maps)
    total = mass.sum(axis=(1, 2))
    rows = mass.sum(axis=2) @ np.arange(maps.shape[1])
    columns = mass.sum(axis=1) @ np.arange(maps.shape[2])
    both = np.stack([rows, columns], axis=1)
    return np.asarray(np.divide(both, total[:, None], out=np.full(both.shape, np.nan), where=total[:, None] > 0))
