"""Mean and variance of channels: sums over batches, and the factor from one spread to another. Pure."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import ModelError

# A channel left with under a quarter of its spread has lost what it measured: amplifying it further adds noise.
LARGEST_FACTOR = 4.0
# Below this share of the baseline's spread a channel is dead, and what spread is left is rounding.
_DEAD = 1e-4
_TINY = 1e-12


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Mean (C,) and population variance (C,) of a tensor's channels over batch and space, float64."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]

    @property
    def std(self) -> NDArray[np.float64]:
        """Return the standard deviation (C,)."""
        return np.sqrt(self.variance)


def factors(target: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by what each channel's ``spread`` (C,) is multiplied to reach ``target`` (C,).

    target / spread (REPAIR, Jordan et al. 2022), kept within 1/4 and 4; 1 for a dead channel, which
    cannot be revived by scaling.

    >>> factors(np.array([3.0, 9.0, 1.0]), np.array([2.0, 1.0, 0.0])).tolist()
    [1.5, 4.0, 1.0]
    """
    floor = floor_of(target)
    ratio = np.clip(target / np.maximum(spread, floor), 1 / LARGEST_FACTOR, LARGEST_FACTOR)
    return np.where(spread > floor, ratio, 1.0)


def floor_of(target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spread (C,) at and below which a channel counts as dead, by the baseline's.

    >>> floor_of(np.array([2.0, 0.0])).tolist()
    [0.0002, 1e-12]
    """
    return np.maximum(_DEAD * target, _TINY)


class MomentSums:
    """Weighted sums of batch moments: exact over batches, as sum of x and of x squared would be."""

    def __init__(self) -> None:
        self.n = 0
        self.first: NDArray[np.float64] | float = 0.0
        self.second: NDArray[np.float64] | float = 0.0

    def add(self, mean: NDArray[np.float32], variance: NDArray[np.float32], *, weight: int) -> None:
        """Add a batch of ``weight`` images with this mean and population variance, C elements each."""
        m, v = mean.ravel().astype(np.float64), variance.ravel().astype(np.float64)
        self.n += weight
        self.first = self.first + weight * m
        self.second = self.second + weight * (v + m**2)

    def moments(self, name: str) -> Moments:
        """Return the moments of all that was added; ``name`` is the tensor's, for the error."""
        mean = np.asarray(self.first) / max(self.n, 1)
        with np.errstate(invalid="ignore"):  # infinity less infinity is found below
            variance = np.maximum(np.asarray(self.second) / max(self.n, 1) - mean**2, 0.0)
        if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
            raise ModelError(
                "finite activations",
                f"NaN or infinity in {name!r}",
                where="repair",
                remedy="Check the model's weights and the preprocessing.",
            )
        return Moments(mean=mean, variance=variance)
