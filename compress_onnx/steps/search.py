"""The highest sparsity a network bears: bisection on some images, confirmed on others.

What counts is not the loss seen but the largest that the images do not rule out, as in the gate:
of a few hundred images a loss of half a point may well be one and a half. Training images flatter
a network, so that a loss just within the limit on them may be beyond it on others.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import DataError
from compress_onnx.metrics import PairedCounts, paired_difference

# Half a point of sparsity: finer steps are below what a few thousand images can tell apart.
RESOLUTION = 0.005
# Nothing is left to prune above; one-shot magnitude pruning has collapsed long before.
HIGHEST = 0.99
# One side of an interval of twice the miss: a loss beyond the bound is seen this rarely.
_LEVEL = 0.9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search found.

    ``sparsity`` is the highest whose accuracy loss is within the limit with 95 % confidence on the
    images searched on and on those that confirm. ``loss_*`` are the losses there, positive where
    accuracy fell, ``bound_*`` the one-sided bounds of them, as fractions; ``tried`` maps every
    sparsity looked at to its bound on the searched images.
    """

    sparsity: float
    loss_searched: float
    loss_confirmed: float
    bound_searched: float
    bound_confirmed: float
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
    counts_at: Callable[[float, NDArray[np.int64]], PairedCounts], n: int, *, max_drop: float, rng: np.random.Generator
) -> Searched:
    """Search on one random half of ``n`` labeled images, confirm on the other.

    ``counts_at(s, rows)`` counts right and wrong predictions at sparsity *s* on the images ``rows``.
    Where the other half does not confirm, the next lower sparsity that was within the limit is tried.

    Errors
    ------
    DataError
        if there are fewer than two images.
    """
    if n < 2:
        raise DataError("at least two images, to search on one half and confirm on the other", str(n))
    order = rng.permutation(n)
    searched, confirming = order[: n // 2], order[n // 2 :]
    tried = highest_sparsity(lambda sparsity: loss_bound(counts_at(sparsity, searched)), max_drop)
    fitting = sorted((sparsity for sparsity, bound in tried.items() if bound <= max_drop), reverse=True)
    sparsity = next(s for s in fitting if s == 0 or loss_bound(counts_at(s, confirming)) <= max_drop)
    before, after = counts_at(sparsity, searched), counts_at(sparsity, confirming)
    return Searched(
        sparsity=sparsity,
        loss_searched=-before.change,
        loss_confirmed=-after.change,
        bound_searched=loss_bound(before),
        bound_confirmed=loss_bound(after),
        n_searched=len(searched),
        n_confirmed=len(confirming),
        tried=dict(sorted(tried.items())),
    )


def loss_bound(counts: PairedCounts) -> float:
    """Return the largest accuracy loss, as a fraction, that the images do not rule out with 95 % confidence.

    >>> from compress_onnx.metrics.statistics.paired import PairedCounts
    >>> round(loss_bound(PairedCounts(both=1000, only_baseline=4, only_candidate=0, neither=20)), 4)
    0.0087
    """
    return -paired_difference(counts, _LEVEL).low
