"""What a test could have found: the smallest loss detectable at a class's support."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtrc, gammaln, xlog1py, xlogy

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Two-sided significance level before it is divided among the classes, and the usual power.
ALPHA = 0.05
POWER = 0.8
# Halvings of 0 to 1: 0.0001, finer than one sample of most classes.
_HALVINGS = 13
# Standard deviations of the number of discordant samples that are looked at: all but 1e-9 of them.
_REACH = 6.0


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
        found = _power(middle, support, discordant / support, alpha) >= power
        low, high = (low, middle) if found else (middle, high)
    return high


def _power(loss: float, support: int, discordance: float, alpha: float) -> float:
    psi = max(discordance, loss)
    center, reach = support * psi, _REACH * math.sqrt(support * psi * (1 - psi)) + _REACH
    m = np.arange(max(0, math.floor(center - reach)), min(support, math.ceil(center + reach)) + 1)
    critical = _critical(m, alpha)
    found = np.where(critical > m, 0.0, bdtrc(np.minimum(critical, m) - 1, m, min(1.0, (psi + loss) / (2 * psi))))
    return float((_binomial(m, support, psi) * found).sum())


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
