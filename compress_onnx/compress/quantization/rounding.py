"""Rounding that lets later weights make up for the errors of earlier ones, on plain arrays. Pure."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from compress_onnx.compress.layers import rounded

# Share of the mean second moment added to the diagonal, as in the paper's code: inputs seen rarely
# must not swallow every error.
_DAMPING = 0.01
# Columns after which the errors are carried to all columns behind: as matrix products, not vectors.
_BLOCK = 128


def compensated(
    rows: NDArray[np.floating], scales: NDArray[np.floating], moments: NDArray[np.floating], bits: int
) -> NDArray[np.float64]:
    """Return rows (R, D) as multiples of their scale (R,) whose outputs stay near the given rows' outputs.

    GPTQ (Frantar et al. 2023, equations 2 and 3, columns of the largest input first): column after
    column is rounded to nearest, and the columns still to come move to where they cancel its error
    on inputs of second moments E[x x'] (D, D). Weights that are zero stay zero.

    >>> together = np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> compensated(np.array([[0.4, 0.4]]), np.array([1.0]), together, 4).tolist()
    [[0.0, 1.0]]
    """
    order = np.argsort(-np.diagonal(moments), kind="stable")
    result = np.empty(rows.shape, dtype=np.float64)
    ordered = _in_order(
        rows[:, order].astype(np.float64), scales.astype(np.float64), _carriers(moments[np.ix_(order, order)]), bits
    )
    result[:, order] = ordered
    return result


def _carriers(moments: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the upper U of ``U' U = inverse(E[x x'] + damping)``; its rows say how errors are carried on.

    With J the reversal of the order, ``J H J = L L'`` gives ``U = inverse(J L J)`` without an inverse of H.
    """
    damped = moments.astype(np.float64)
    damped[np.diag_indices_from(damped)] += _DAMPING * float(np.diagonal(damped).mean()) or 1.0
    upper = scipy.linalg.cholesky(damped[::-1, ::-1], lower=True, overwrite_a=True)[::-1, ::-1]
    return np.asarray(scipy.linalg.lapack.dtrtri(upper)[0])


def _in_order(
    rows: NDArray[np.float64], scales: NDArray[np.float64], carriers: NDArray[np.float64], bits: int
) -> NDArray[np.float64]:
    remaining, kept = rows.copy(), rows != 0
    result = np.zeros_like(rows)
    for start in range(0, rows.shape[1], _BLOCK):
        block, behind = slice(start, start + _BLOCK), slice(start + _BLOCK, None)
        within = carriers[block, block]
        chosen = _block(remaining[:, block], kept[:, block], scales=scales, carriers=within, bits=bits)
        # What the block's errors add up to, told by the columns they were carried to.
        errors = scipy.linalg.solve_triangular(within.T, (remaining[:, block] - chosen).T, lower=True).T
        remaining[:, behind] -= errors @ carriers[block, behind]
        result[:, block] = chosen
    return result


def _block(
    rows: NDArray[np.float64],
    kept: NDArray[np.bool_],
    *,
    scales: NDArray[np.float64],
    carriers: NDArray[np.float64],
    bits: int,
) -> NDArray[np.float64]:
    """Round columns first to last, carrying each column's error to the columns behind it."""
    remaining, result = rows.copy(), np.zeros_like(rows)
    for place in range(rows.shape[1]):
        column = remaining[:, place]
        result[:, place] = rounded(column[:, None], scales, bits)[:, 0] * kept[:, place]
        error = (column - result[:, place]) / carriers[place, place]
        remaining[:, place + 1 :] -= np.outer(error, carriers[place, place + 1 :])
    return result
