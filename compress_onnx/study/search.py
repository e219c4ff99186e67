"""The highest sparsity a network bears: bisection on some images, confirmed on others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import DataError

# Half a point of sparsity: finer steps are below what a few thousand images can tell apart.
RESOLUTION = 0.005
# Nothing is left to prune above; one-shot magnitude pruning has collapsed long before.
HIGHEST = 0.99


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search found.

    ``sparsity`` is the highest whose accuracy loss stayed within the limit on the images searched
    on and on those that confirm; ``loss_searched`` and ``loss_confirmed`` are fractions, positive
    where accuracy fell; ``tried`` maps every sparsity looked at to its loss on the searched images.
    """

    sparsity: float
    loss_searched: float
    loss_confirmed: float
    n_searched: int
    n_confirmed: int
    tried: dict[float, float]


def highest_sparsity(loss_at: Callable[[float], float], max_drop: float) -> dict[float, float]:
    """Bisect for the highest sparsity with ``loss_at(s) <= max_drop``; return every loss looked at.

    Sparsities are multiples of 0.005 up to 0.99. The loss need not be monotone: whatever is found
    was measured to be within the limit; 0 always is.

    >>> tried = highest_sparsity(lambda s: max(0.0, s - 0.7), 0.0101)
    >>> max(s for s, loss in tried.items() if loss <= 0.0101)
    0.71
    """
    low, high = 0, round(HIGHEST / RESOLUTION)
    tried = {0.0: 0.0}
    while low < high:
        middle = math.ceil((low + high) / 2)
        sparsity = round(middle * RESOLUTION, 6)
        tried[sparsity] = loss_at(sparsity)
        low, high = (middle, high) if tried[sparsity] <= max_drop else (low, middle - 1)
    return tried


def confirmed_sparsity(
    loss_at: Callable[[float, NDArray[np.int64]], float], n: int, *, max_drop: float, rng: np.random.Generator
) -> Searched:
    """Search on one random half of ``n`` labelled images, confirm on the other.

    ``loss_at(s, rows)`` is the accuracy loss at sparsity *s* on the images ``rows``. Where the other
    half does not confirm, the next lower sparsity that was within the limit is tried.

    Errors
    ------
    DataError
        if there are fewer than two images.
    """
    if n < 2:
        raise DataError("at least two images, to search on one half and confirm on the other", str(n))
    order = rng.permutation(n)
    searched, confirming = order[: n // 2], order[n // 2 :]
    tried = highest_sparsity(lambda sparsity: loss_at(sparsity, searched), max_drop)
    fitting = sorted((sparsity for sparsity, loss in tried.items() if loss <= max_drop), reverse=True)
    losses = ((sparsity, loss_at(sparsity, confirming) if sparsity else 0.0) for sparsity in fitting)
    sparsity, loss = next((sparsity, loss) for sparsity, loss in losses if loss <= max_drop)
    return Searched(
        sparsity=sparsity,
        loss_searched=tried[sparsity],
        loss_confirmed=loss,
        n_searched=len(searched),
        n_confirmed=len(confirming),
        tried=dict(sorted(tried.items())),
    )
