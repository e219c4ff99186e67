"""Symmetric per-channel scales of quantized weights, on plain arrays: by maximum or by squared error. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Fractions of the largest magnitude at which a channel may be clipped; above 1 a row may meet the
# grid better. Twice as many steps flipped as many predictions of LeNet-5, within chance.
FRACTIONS = np.linspace(0.3, 1.1, 41)


def levels(bits: int) -> tuple[int, int]:
    """Return the smallest and largest integer of a signed width.

    >>> levels(4)
    (-8, 7)
    """
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def max_scales(rows: NDArray[np.floating], bits: int) -> NDArray[np.float32]:
    """Return the scale (R,) float32 at which each row's largest magnitude is the largest integer.

    ``rows`` are (R, D), one per channel. A row of zeros, which any scale holds, gets the mean scale
    of the others, or 1 where there is none: the scale of its bias depends on it.

    >>> max_scales(np.array([[7.0, -3.5], [0.0, 0.0]]), 4).tolist()
    [1.0, 1.0]
    """
    scales = np.abs(rows).max(axis=1, initial=0) / levels(bits)[1]
    # What is zero as float32 is a row of zeros to the runtime.
    alive = scales.astype(np.float32) > 0
    return np.where(alive, scales, scales[alive].mean() if alive.any() else 1.0).astype(np.float32)


def dead_rows(rows: NDArray[np.floating], largest: int) -> NDArray[np.float32] | None:
    """Return the scale (R,) of each row (R, D) at which its largest magnitude is ``largest``, if some rows are zeros.

    ``None`` where no row is: below the smallest normal float32 a row counts as zeros, and gets the
    mean scale of the others, or 1 where there is none.

    >>> dead_rows(np.array([[8.0, 2.0], [0.0, 0.0]]), 4).tolist()
    [2.0, 2.0]
    >>> dead_rows(np.array([[8.0, 2.0]]), 4) is None
    True
    """
    scales = np.abs(rows).max(axis=1, initial=0).astype(np.float64) / largest
    alive = scales >= np.finfo(np.float32).tiny
    if alive.all():
        return None
    return np.where(alive, scales, scales[alive].mean() if alive.any() else 1.0).astype(np.float32)


def least_error_scales(
    rows: NDArray[np.floating], bits: int, moments: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """Return the scale (R,) float32 of each row with the least squared error after rounding to nearest.

    The best of the fractions 0.30, 0.32, ... 1.10 of :func:`max_scales`, ties to the smaller, rows (R, D)
    apart. The error of a row with rounding errors e is ``e @ e``, or, given ``moments`` (D, D), the
    mean over calibration inputs x of the squared error of the channel's output: ``E[(e @ x)**2] =
    e @ E[x x'] @ e`` (Nagel et al. 2020, equation 13), which weighs errors by the inputs they meet.

    >>> rows = np.array([[0.1] * 20 + [1.0]])
    >>> bool(least_error_scales(rows, 4)[0] < max_scales(rows, 4)[0])
    True
    """
    largest = max_scales(rows, bits)
    least = np.full(len(rows), np.inf)
    best = largest.copy()
    for fraction in FRACTIONS:
        scales = (largest * fraction).astype(np.float32)
        error = _squared_error(rounded(rows, scales, bits) - rows, moments)
        better = error < least
        least[better], best[better] = error[better], scales[better]
    return best


def _squared_error(errors: NDArray[np.floating], moments: NDArray[np.floating] | None) -> NDArray[np.floating]:
    seen = errors if moments is None else errors @ moments
    return np.asarray(np.einsum("rd,rd->r", seen, errors))


def rounded(rows: NDArray[np.floating], scales: NDArray[np.floating], bits: int) -> NDArray[np.floating]:
    """Return rows (R, D) at the nearest multiple of their scale (R,) that the width holds, ties to even.

    Zero stays zero.

    >>> rounded(np.array([[0.6, -9.0, 0.0]]), np.array([1.0]), 4).tolist()
    [[1.0, -8.0, 0.0]]
    """
    column = scales[:, None].astype(rows.dtype)
    return np.asarray(np.clip(np.rint(rows / column), *levels(bits)) * column)
