"""Tests of paired proportions, and the price of asking many times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mid_p_mcnemar(only_baseline: int, only_candidate: int) -> float:
    """Return the two-sided mid-p value of McNemar's test from the two discordant counts.

    ``2 P(X <= min) - P(X = min)`` with X binomial(b + c, 1/2), and ``1 - P(X = b) / 2`` where
    b = c (Fagerland, Lydersen & Laake 2013, BMC Medical Research Methodology 13:91). Without
    discordant samples nothing speaks against equality: 1.

    >>> round(mid_p_mcnemar(1, 7), 4)
    0.0391
    """
    fewer, discordant = min(only_baseline, only_candidate), only_baseline + only_candidate
    if discordant == 0:
        return 1.0
    point = _binomial_half(fewer, discordant)
    if only_baseline == only_candidate:
        return 1 - point / 2
    return min(1.0, max(0.0, 2 * float(bdtr(fewer, discordant, 0.5)) - point))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (M,) p-values adjusted by Holm's step-down rule, in the order given.

    The i-th smallest of M is multiplied by M - i + 1, never falls below its predecessor and is at
    most 1 (Holm 1979, Scandinavian Journal of Statistics 6, 65-70). Empty gives empty.

    >>> [round(float(p), 3) for p in holm(np.array([0.01, 0.04, 0.03]))]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (M,) p-values adjusted for the false-discovery rate, in the order given.

    The i-th smallest of M is multiplied by M / i and is at most its successor and 1 (Benjamini &
    Hochberg 1995, Journal of the Royal Statistical Society B 57, 289-300). Empty gives empty.

    >>> [round(float(p), 3) for p in benjamini_hochberg(np.array([0.01, 0.04, 0.03]))]
    [0.03, 0.04, 0.04]
    """
    count = len(p_values)
    order = np.argsort(-p_values, kind="stable")
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(p_values[order] * count / np.arange(count, 0, -1)), 1.0)
    return adjusted


def _binomial_half(k: int, n: int) -> float:
    """Return P(X = k) of binomial(n, 1/2) without overflow at large n."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
