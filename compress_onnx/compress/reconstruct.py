"""A pruned model whose kept weights make up for those that were taken, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.layout import Layout, layouts, weight_values, with_weights
from compress_onnx.compress.least_squares import reconstructed_rows


def reconstructed(
    baseline: onnx.ModelProto, pruned: onnx.ModelProto, moments: Mapping[str, NDArray[np.floating]]
) -> onnx.ModelProto | None:
    """Return a copy of ``pruned`` whose layers give nearly the baseline's outputs, zeros where they were.

    ``moments`` (groups, D, D) by weight name are those of the baseline's inputs, as
    :class:`~compress_onnx.compress.input_moments.InputMoments` finds them. Changed are weights of
    which some became zero and the others are the baseline's own; ``None`` if there are none.
    """
    before, after, known = weight_values(baseline), weight_values(pruned), layouts(pruned)
    names = [name for name in moments if name in known and _is_thinned(before.get(name), after[name])]
    if not names:
        return None
    return with_weights(
        pruned, {name: _tensor(known[name], before[name], after[name], moments[name]) for name in names}
    )


def _is_thinned(before: NDArray[np.floating] | None, after: NDArray[np.floating]) -> bool:
    if before is None or before.shape != after.shape:
        return False
    kept = after != 0
    return bool((before[~kept] != 0).any()) and np.array_equal(before[kept], after[kept])


def _tensor(
    layout: Layout, before: NDArray[np.floating], after: NDArray[np.floating], moments: NDArray[np.floating]
) -> NDArray[np.floating]:
    wanted, kept = np.split(layout.rows(before), layout.groups), np.split(layout.rows(after) != 0, layout.groups)
    parts = [reconstructed_rows(*part) for part in zip(wanted, kept, moments, strict=True)]
    return layout.tensor(np.concatenate(parts).astype(after.dtype))
