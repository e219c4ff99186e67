"""How often intervals hold the truth: exactly, by enumeration, and by simulated pairs of models.

Shared by ``bench_coverage.py`` and the tests of the metrics.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from compress_onnx.metrics.statistics.intervals import difference_bounds, proportion_bounds

# Outcomes rarer than this are left out of an enumeration.
RARE = 1e-10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What is simulated: each n with each flip rate, each split of it and each baseline accuracy."""

    n: Sequence[int] = (200, 500, 1000, 2000, 5000, 10_000)
    flip_rate: Sequence[float] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
    # Shares of negative, positive and lateral flips.
    split: Sequence[tuple[float, float, float]] = (
        (1.0, 0.0, 0.0),
        (0.8, 0.2, 0.0),
        (0.5, 0.5, 0.0),
        (0.5, 0.3, 0.2),
        (0.25, 0.25, 0.5),
    )
    accuracy: Sequence[float] = (0.7, 0.9, 0.98)


GRID = Grid()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models: n samples, the baseline's accuracy, and the rates of the three kinds of flips."""

    n: int
    accuracy: float
    negative: float
    positive: float
    lateral: float

    @property
    def flip_rate(self) -> float:
        return self.negative + self.positive + self.lateral

    @property
    def change(self) -> float:
        return self.positive - self.negative


def pairs_on(grid: Grid) -> Iterator[Pair]:
    """Yield the pairs that exist: no model repairs more mistakes than it makes."""
    for n, rate, split, accuracy in itertools.product(grid.n, grid.flip_rate, grid.split, grid.accuracy):
        negative, positive, lateral = (rate * share for share in split)
        if positive + lateral <= 1 - accuracy + 1e-12:
            yield Pair(n=n, accuracy=accuracy, negative=negative, positive=positive, lateral=lateral)


def proportion_coverage(n: int, p: float) -> float:
    """Return the exact probability that the interval of a proportion holds p."""
    k = np.arange(n + 1)
    low, high = proportion_bounds(k, n)
    return float(stats.binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum())


def paired_coverage(n: int, negative: float, positive: float) -> tuple[float, float]:
    """Return the exact probabilities that the interval of the change lies above, and below, the truth."""
    ranges = [np.arange(int(stats.binom.isf(RARE, n, p)) + 1) for p in (negative, positive)]
    lost, won = (cells.ravel() for cells in np.meshgrid(*ranges, indexing="ij"))
    lost, won = lost[lost + won <= n], won[lost + won <= n]
    mass = stats.binom.pmf(lost, n, negative) * stats.binom.pmf(won, n - lost, positive / (1 - negative))
    low, high = difference_bounds(lost, won, n)
    truth = positive - negative
    return float(mass[low > truth + 1e-12].sum()), float(mass[high < truth - 1e-12].sum())


def simulated_coverage(
    pairs: Sequence[Pair], rng: np.random.Generator, *, repetitions: int
) -> dict[str, NDArray[np.float64]]:
    """Return the share of ``repetitions`` whose interval holds the truth, (P,) for each of the three intervals."""
    found = [_simulated(pair, rng, repetitions) for pair in pairs]
    return {
        name: np.array([each[name] for each in found])
        for name in ("accuracy.change", "flips.rate", "accuracy.candidate")
    }


def _simulated(pair: Pair, rng: np.random.Generator, repetitions: int) -> dict[str, float]:
    both, neither = pair.accuracy - pair.negative, 1 - pair.accuracy - pair.positive - pair.lateral
    cells = np.maximum((pair.negative, pair.positive, pair.lateral, both, neither), 0.0)
    lost, won, lateral, right, _ = rng.multinomial(pair.n, cells / cells.sum(), size=repetitions).T
    return {
        "accuracy.change": _held(difference_bounds(lost, won, pair.n), pair.change),
        "flips.rate": _held(_proportion(lost + won + lateral, pair.n), pair.flip_rate),
        "accuracy.candidate": _held(_proportion(right + won, pair.n), pair.accuracy + pair.change),
    }


def _proportion(counts: NDArray[np.int64], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # The same few counts come again and again, and their exact bounds cost most.
    different, place = np.unique(counts, return_inverse=True)
    low, high = proportion_bounds(different, n)
    return low[place], high[place]


def _held(bounds: tuple[NDArray[np.float64], NDArray[np.float64]], truth: float) -> float:
    low, high = bounds
    return float(np.mean((low <= truth + 1e-12) & (truth - 1e-12 <= high)))
