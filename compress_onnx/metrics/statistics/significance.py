"""Tests of paired proportions: their p-value, what loss they would find, and the price of asking many times."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, bdtrc, gammaln, xlog1py, xlogy

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Two-sided significance level before it is divided among the classes, and the usual power.
ALPHA = 0.05
POWER = 0.8
# Halvings of 0 to 1: 0.0001, finer than one sample of most classes.
_HALVINGS = 13
# Standard deviations of the number of discordant samples that are looked at: all but 1e-9 of them.
_REACH = 6.0


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


@functools.lru_cache(maxsize=4096)
def detectable_loss(support: int, discordant: int, *, alpha: float = ALPHA, power: float = POWER) -> float | None:
    """Return the smallest true loss that mid-p McNemar's two-sided test finds with probability ``power``.

    The power at a loss d is exact (Duffy 1984, Biometrics 40, 1005-1015): the number m of discordant
    samples is binomial(support, psi), those lost among them binomial(m, (psi + d) / (2 psi)), and
    the test says so from a critical number on. psi is the observed share of discordant samples, or d
    where that is larger, for a loss brings at least its own. Exact to 0.0001; ``None`` where the
    loss of every sample would not be found.

    >>> round(detectable_loss(300, 9), 3), detectable_loss(3, 0)
    (0.026, None)
    """
    if _power(1.0, support, discordant / support, alpha) < power:
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_found = _power(middle, support, discordant / support, alpha) >= power
        low, high = (low, middle) if is_found else (middle, high)
    return high


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
    """Return the (M,) p-values adjusted by Benjamini and Hochberg's step-up rule, in the order given.

    The i-th smallest of M is multiplied by M / i and never exceeds its successor: among those below
    q, at most the share q is expected to be chance (Benjamini & Hochberg 1995, Journal of the Royal
    Statistical Society B 57, 289-300). Empty gives empty. Bit for bit what ``scipy.stats.false_discovery_control``
    returns, without the second that importing ``scipy.stats`` takes.

    >>> [round(float(p), 3) for p in benjamini_hochberg(np.array([0.01, 0.04, 0.03]))]
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p_values, kind="stable")[::-1]
    factors = len(p_values) / np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.minimum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


def _binomial_half(k: int, n: int) -> float:
    """Return P(X = k) of binomial(n, 1/2) without overflow at large n."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))


def _power(loss: float, support: int, discordance: float, alpha: float) -> float:
    psi = max(discordance, loss)
    center, reach = support * psi, _REACH * math.sqrt(support * psi * (1 - psi)) + _REACH
    m = np.arange(max(0, math.floor(center - reach)), min(support, math.ceil(center + reach)) + 1)
    critical = _critical(m, alpha)
    losses = bdtrc(np.minimum(critical, m) - 1, m, min(1.0, (psi + loss) / (2 * psi)))
    return float((_binomial(m, support, psi) * np.where(critical > m, 0.0, losses)).sum())


def _critical(m: NDArray[np.int64], alpha: float) -> NDArray[np.int64]:
    """Return the least number of losses among m discordant samples that is significant; m + 1 if none is."""
    low, high = m // 2, m + 1
    while np.any(high - low > 1):
        middle = (low + high) // 2
        # Twice the mid-p tail, P(X > k) + P(X >= k); k is at least 1 where it is looked at.
        significant = bdtrc(middle, m, 0.5) + bdtrc(np.maximum(middle - 1, 0), m, 0.5) <= alpha
        # The ones already found stay: their middle is their lower end.
        low, high = np.where(significant, low, middle), np.where(significant & (middle > low), middle, high)
    return high


def _binomial(k: NDArray[np.int64], n: int, p: float) -> NDArray[np.float64]:
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(np.exp(choose + xlogy(k, p) + xlog1py(n - k, -p)))
