"""What a test could have found: the smallest loss detectable at a class's support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Two-sided significance level before it is divided among the classes, and the usual power.
ALPHA = 0.05
POWER = 0.8
# Halvings of 0 to 1: far finer than one sample.
_HALVINGS = 40


def detectable_loss(
    support: NDArray[np.int64], discordance: NDArray[np.float64], *, alpha: float = ALPHA, power: float = POWER
) -> NDArray[np.float64]:
    """Return the smallest true loss (K,) that a two-sided McNemar test finds with probability ``power``.

    The smallest d with ``d sqrt(n) >= z(1 - alpha / 2) sqrt(psi) + z(power) sqrt(psi - d^2)``, n the
    support and psi the probability that exactly one model is right (Connor 1987, Biometrics 43,
    207-211, solved for d); psi is the observed ``discordance``, or d where that is larger, for a
    loss brings at least its own discordance. NaN where n is too small for any loss up to 1.

    >>> detectable_loss(np.array([300, 3]), np.array([0.03, 0.0])).round(3).tolist()
    [0.028, nan]
    """
    n = np.asarray(support, dtype=np.float64)
    low, high = np.zeros_like(n), np.ones_like(n)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = _is_found(middle, n, discordance, alpha=alpha, power=power)
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    return np.where(_is_found(np.ones_like(n), n, discordance, alpha=alpha, power=power), high, np.nan)


def _is_found(
    loss: NDArray[np.float64], n: NDArray[np.float64], discordance: NDArray[np.float64], *, alpha: float, power: float
) -> NDArray[np.bool_]:
    psi = np.maximum(discordance, loss)
    needed = ndtri(1 - alpha / 2) * np.sqrt(psi) + ndtri(power) * np.sqrt(np.maximum(psi - loss * loss, 0))
    return np.asarray(loss * np.sqrt(n) >= needed)
