"""How alike two attribution maps of the same picture are; every function works per sample.

Maps are (N, H, W) floats, finite, at least one pixel each. Every function is symmetric and has a value for
every pair, never NaN. A *flat* map (all pixels equal, as a dead network gives) prefers no pixel:

=====================  ==========  ========================================
measure                both flat   one flat
=====================  ==========  ========================================
deviation              0           mean of the other, normalized map
rank correlation       1           0
overlap of the top     1           the overlap of a random choice, k / (H W)
structural similarity  1           of the other map with an empty one
cosine (all-zero map)  1           0
center of mass         0           its center is the picture's middle
=====================  ==========  ========================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Maps: TypeAlias = "NDArray[np.floating[Any]]"
# The window of Wang et al.'s block-wise form and of scikit-image's default; 8-pixel maps still hold it.
SSIM_WINDOW = 7
# (0.01 L)^2 and (0.03 L)^2 with data range L = 1 (Wang et al. 2004).
_C1, _C2 = 0.01**2, 0.03**2
# The strongest tenth of the pixels: what a reader sees as "where the model looks".
TOP_FRACTION = 0.1


def normalized(maps: Maps) -> NDArray[np.float64]:
    """Scale each map to 0 to 1 by its minimum and maximum; a flat map becomes all 0.

    >>> normalized(np.array([[[1.0, 3.0]], [[5.0, 5.0]]])).tolist()
    [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    wide = maps.astype(np.float64)
    low = wide.min(axis=(1, 2), keepdims=True)
    span = wide.max(axis=(1, 2), keepdims=True) - low
    wide -= low
    wide /= np.where(span > 0, span, 1)
    return wide


def flat(maps: Maps) -> NDArray[np.bool_]:
    """Tell which maps have all pixels equal, (N,).

    >>> flat(np.array([[[1.0, 3.0]], [[5.0, 5.0]]])).tolist()
    [False, True]
    """
    return np.asarray(maps.max(axis=(1, 2)) == maps.min(axis=(1, 2)))


def mean_absolute_deviation(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the mean absolute difference (N,) of the normalized maps, 0 (equal) to 1.

    >>> mean_absolute_deviation(np.array([[[0.0, 2.0]]]), np.array([[[0.0, 9.0]]])).tolist()
    [0.0]
    """
    return np.asarray(np.abs(normalized(a) - normalized(b)).mean(axis=(1, 2)))


def spearman(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the rank correlation (N,) of the pixels, -1 to 1, ties at their mean rank (Spearman 1904).

    Flat with flat: 1; flat with another: 0.

    >>> spearman(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[9.0, 5.0, 1.0]]])).round(6).tolist()
    [-1.0]
    """
    middle = (a[0].size - 1) / 2
    return _correlation(mean_ranks(_rows(a)) - middle, mean_ranks(_rows(b)) - middle)


def top_k_overlap(a: Maps, b: Maps, fraction: float = TOP_FRACTION) -> NDArray[np.float64]:
    """Return the share (N,) of a's strongest pixels that are among b's strongest, 0 to 1.

    The strongest are the ``fraction`` with the largest values, k of them, at least one; among equal
    values the first in row order. Flat with flat: 1; flat with another: k / (H W), what a random
    choice shares.

    >>> top_k_overlap(np.array([[[3.0, 2.0, 1.0, 0.0]]]), np.array([[[3.0, 0.0, 1.0, 2.0]]]), 0.5).tolist()
    [0.5]
    """
    pixels = a[0].size
    k = max(1, round(fraction * pixels))
    shared = np.asarray(np.count_nonzero(_strongest(_rows(a), k) & _strongest(_rows(b), k), axis=1) / k)
    flat_a, flat_b = flat(a), flat(b)
    shared[flat_a ^ flat_b] = k / pixels
    shared[flat_a & flat_b] = 1
    return shared


def ssim(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the structural similarity (N,) of the normalized maps, -1 to 1 (equal).

    Mean over all whole windows of 7 x 7 pixels, equal weights, data range 1 (Wang, Bovik, Sheikh &
    Simoncelli 2004); along a side shorter than 7 pixels the window is that side.

    >>> ssim(np.eye(8)[None], np.eye(8)[None]).round(6).tolist()
    [1.0]
    """
    return _structural(normalized(a), normalized(b))


def cosine(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return the cosine (N,) of the angle between the maps as vectors, -1 to 1, not normalized before.

    An all-zero map has no direction: 1 with another such map, 0 with any other.

    >>> cosine(np.array([[[1.0, 0.0]]]), np.array([[[0.0, 2.0]]])).tolist()
    [0.0]
    """
    return _correlation(_unit_peak(_rows(a)), _unit_peak(_rows(b)))


def center_shift_px(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Return how far the center of mass of the normalized map moved (N,), in pixels.

    The center is the mean row and column, weighted by the map; a flat map's is the middle of the picture.

    >>> center_shift_px(np.array([[[1.0, 0.0, 0.0]]]), np.array([[[0.0, 0.0, 1.0]]])).tolist()
    [2.0]
    """
    return _moved(normalized(a), normalized(b))


def diagonal_px(height: int, width: int) -> float:
    """Return the distance of opposite corner pixels' centers, 1 for a single pixel: the largest shift there is.

    >>> diagonal_px(4, 5)
    5.0
    """
    return float(np.hypot(height - 1, width - 1)) or 1.0


def mean_ranks(rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return each value's rank in its row (N, P), from 0; equal values share their mean rank.

    Equal to ``scipy.stats.rankdata(rows, axis=1) - 1``; two to three times faster (SciPy 1.17) on maps without ties,
    as fast on maps that are half zero, and without the second that importing ``scipy.stats`` takes.

    >>> mean_ranks(np.array([[5.0, 1.0, 5.0, 9.0]])).tolist()
    [[1.5, 0.0, 1.5, 3.0]]
    """
    count, width = rows.shape
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    plain = np.broadcast_to(np.arange(width, dtype=np.float64), (count, width))
    ranks = np.empty((count, width))
    np.put_along_axis(ranks, order, plain, axis=1)
    tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(tied):
        shared = _shared_ranks(ordered[tied])
        behind = np.empty_like(shared)
        np.put_along_axis(behind, order[tied], shared, axis=1)
        ranks[tied] = behind
    return ranks


def scaled_measures(x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return what is measured on maps (N, H, W) already normalized, by name, each (N,).

    >>> sorted(scaled_measures(np.eye(8)[None], np.eye(8)[None]))
    ['center_shift_px', 'mean_absolute_deviation', 'ssim']
    """
    return {
        "mean_absolute_deviation": np.abs(x - y).mean(axis=(1, 2)),
        "ssim": _structural(x, y),
        "center_shift_px": _moved(x, y),
    }


def _rows(maps: Maps) -> Maps:
    return maps.reshape(len(maps), -1)


def _unit_peak(rows: Maps) -> NDArray[np.float64]:
    """Scale rows by their largest magnitude, so that squares of tiny values do not vanish."""
    wide = rows.astype(np.float64)
    peak = np.abs(wide).max(axis=1, keepdims=True)
    wide /= np.where(peak > 0, peak, 1)
    return wide


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine (N,) of rows; 1 where both are all zero, 0 where one is."""
    product = np.einsum("np,np->n", a, b)
    norm_a, norm_b = (np.sqrt(np.einsum("np,np->n", rows, rows)) for rows in (a, b))
    nothing = ((norm_a == 0) & (norm_b == 0)).astype(np.float64)
    norms = norm_a * norm_b
    return np.asarray(np.clip(np.divide(product, norms, out=nothing, where=norms > 0), -1, 1))


def _shared_ranks(ordered: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the mean rank within each run of equal values, of rows (N, P) in ascending order."""
    count, width = ordered.shape
    first = np.ones((count, width), dtype=np.bool_)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=count * width)
    ranks = np.repeat(starts + (lengths - 1) / 2, lengths).reshape(count, width)
    return np.asarray(ranks - width * np.arange(count)[:, None])


def _strongest(rows: Maps, k: int) -> NDArray[np.bool_]:
    """Mark exactly k pixels per row, (N, P) bool."""
    threshold = np.partition(rows, -k, axis=1)[:, -k, None]
    marked = np.asarray(rows >= threshold)
    # Counting along the row is slow: only rows whose threshold is shared by too many pixels need it.
    tied = np.flatnonzero(np.count_nonzero(marked, axis=1) > k)
    if len(tied):
        above, at = rows[tied] > threshold[tied], rows[tied] == threshold[tied]
        free = k - np.count_nonzero(above, axis=1, keepdims=True)
        marked[tied] = above | (at & (np.cumsum(at, axis=1) <= free))
    return marked


def _structural(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = _window_means(np.stack([x, y, x * x, y * y, x * y]))
    product = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    likeness = (2 * product + _C1) * (2 * (mean_xy - product) + _C2)
    likeness /= (squares + _C1) * (mean_xx + mean_yy - squares + _C2)
    return np.asarray(likeness.mean(axis=(1, 2)))


def _window_means(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means over all whole windows along the last two axes.

    As products with banded matrices: on small maps three times faster than sums of shifted copies.
    """
    height, width = maps.shape[-2:]
    return np.asarray(_windows(height) @ maps @ _windows(width).T)


def _windows(side: int) -> NDArray[np.float64]:
    """Return the matrix (places, side) that takes the mean over a window at each place where it fits."""
    window = min(SSIM_WINDOW, side)
    offsets = np.arange(side) - np.arange(side - window + 1)[:, None]
    return ((offsets >= 0) & (offsets < window)) / window


def _moved(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = _centers(y) - _centers(x)
    return np.asarray(np.hypot(moved[:, 0], moved[:, 1]))


def _centers(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the center of mass (N, 2), row and column in pixels; the middle where there is no mass."""
    height, width = mass.shape[1:]
    along_rows, along_columns = mass.sum(axis=2), mass.sum(axis=1)
    total = along_rows.sum(axis=1, keepdims=True)
    weighted = np.stack([along_rows @ np.arange(height), along_columns @ np.arange(width)], axis=1)
    middle = np.tile([(height - 1) / 2, (width - 1) / 2], (len(mass), 1))
    return np.asarray(np.divide(weighted, total, out=middle, where=total > 0))
