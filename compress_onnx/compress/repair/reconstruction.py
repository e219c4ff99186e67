"""A pruned model whose remaining weights make up for those that were taken: least squares, layer by layer.

Of all weights with the same zeros those are taken whose layer gives nearly the baseline's outputs on the calibration
images, told by the second moments of the layer's inputs alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.layers import Layout, layouts, weight_values, with_weights

# Share of the mean second moment added to the diagonal. Less follows the images at hand and more
# keeps the weights where they are: a tenth flipped fewest predictions of LeNet-5, a hundredth to a
# half hardly more.
_DAMPING = 0.1
# Where a row's residual has fallen to this part, outputs and flips no longer change.
_TOLERANCE = 0.01
_LONGEST = 100
_TINY = np.float32(np.finfo(np.float32).tiny)


def reconstructed(
    baseline: onnx.ModelProto, pruned: onnx.ModelProto, moments: Mapping[str, NDArray[np.floating]]
) -> onnx.ModelProto | None:
    """Return a copy of ``pruned`` whose layers give nearly the baseline's outputs, zeros where they were.

    ``moments`` (groups, D, D) by weight name are those of the baseline's inputs, as
    :class:`~compress_onnx.compress.calibration.input_moments.InputMoments` finds them. Changed are weights of
    which some became zero and the others are the baseline's own; ``None`` if there are none.
    """
    before, after, known = weight_values(baseline), weight_values(pruned), layouts(pruned)
    names = [name for name in moments if name in known and _is_thinned(before.get(name), after[name])]
    if not names:
        return None
    return with_weights(
        pruned, {name: _reconstructed_weight(known[name], before[name], after[name], moments[name]) for name in names}
    )


def _is_thinned(before: NDArray[np.floating] | None, after: NDArray[np.floating]) -> bool:
    if before is None or before.shape != after.shape:
        return False
    alive = after != 0
    return bool((before[~alive] != 0).any()) and np.array_equal(before[alive], after[alive])


def _reconstructed_weight(
    layout: Layout, before: NDArray[np.floating], after: NDArray[np.floating], moments: NDArray[np.floating]
) -> NDArray[np.floating]:
    wanted, alive = np.split(layout.rows(before), layout.groups), np.split(layout.rows(after) != 0, layout.groups)
    parts = [reconstructed_rows(*part) for part in zip(wanted, alive, moments, strict=True)]
    return layout.tensor(np.concatenate(parts).astype(after.dtype))


def reconstructed_rows(
    rows: NDArray[np.floating], alive: NDArray[np.bool_], moments: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return rows (R, D) that are zero but where ``alive`` (R, D) and give nearly the given rows' outputs.

    Of all such rows w' they minimize ``(w - w') (H + damping) (w - w')'`` for inputs of second moments
    H = E[x x'] (D, D): the mean squared error of the layer's output (layer-wise reconstruction of a
    fixed mask, as in Hubara et al. 2021 and Frantar & Alistarh 2022), held near what pruning left.
    Solved for all rows at once by conjugate gradients with the diagonal as preconditioner.

    >>> together = np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> reconstructed_rows(np.array([[1.0, 0.55]]), np.array([[True, False]]), together).tolist()
    [[1.5, 0.0]]
    """
    damped = np.array(moments, dtype=np.float32)
    damped[np.diag_indices_from(damped)] += np.float32(_DAMPING * float(np.diagonal(damped).mean())) or 1.0
    given = np.asarray(rows, dtype=np.float32)
    pruned = np.where(alive, given, np.float32(0))
    residual = np.where(alive, (given - pruned) @ damped, np.float32(0))
    return np.asarray(pruned + _solved(damped, residual, alive), dtype=np.float32)


def _solved(
    matrix: NDArray[np.float32], residual: NDArray[np.float32], alive: NDArray[np.bool_]
) -> NDArray[np.floating]:
    """Return x (R, D), zero but where ``alive``, with ``x matrix = residual`` there."""
    inverse = 1 / np.diagonal(matrix)
    solution = np.zeros_like(residual)
    direction: NDArray[np.floating] = residual * inverse
    size = first = _dots(residual, direction)
    for _ in range(_LONGEST):
        if (size <= _TOLERANCE**2 * first).all():
            break
        ahead = np.where(alive, direction @ matrix, np.float32(0))
        step = size / np.maximum(_dots(direction, ahead), _TINY)
        solution += step * direction
        residual = residual - step * ahead
        scaled = residual * inverse
        before, size = size, _dots(residual, scaled)
        direction = scaled + (size / np.maximum(before, _TINY)) * direction
    return solution


def _dots(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.einsum("rd,rd->r", a, b)[:, None])
