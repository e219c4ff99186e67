"""Whether saliency moved in one way over all pictures: the mean signed difference map, tested and measured.

Maps go in batch by batch; what stays are sums. Large maps are averaged over square blocks first:
a mean over pictures has no finer structure, and memory stays bounded.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from compress_onnx.metrics.saliency.similarity import Maps, normalized
from compress_onnx.metrics.statistics import FRACTION, LEAST_SAMPLES, LEVEL, SignFlips
from compress_onnx.records import Better, ClassSaliency, Interval, Measure, ShiftVerdict, SystematicShift, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The largest side of the tested grid, in cells: pixel by pixel for CIFAR-10 and GTSRB.
CELLS = 32
SIGNIFICANT = 0.05
# Cohen's (1988) small effect. A mean difference of a fifth of the usual difference is the least that shows in single
# pictures; with thousands of pictures far smaller ones are beyond chance and mean nothing.
SMALL_EFFECT = 0.2
EFFECT = "standardized mean difference"
TOO_FEW = f"at least {LEAST_SAMPLES} samples are needed for the sign-flip test"
# Groups of the jackknife: 19 degrees of freedom, and sums of 20 maps.
_GROUPS = 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeanMaps:
    """Means of normalized maps over the counted samples, each (h, w): float32, ``significant`` bool.

    ``difference`` is candidate minus baseline.
    """

    baseline: NDArray[np.float32]
    candidate: NDArray[np.float32]
    difference: NDArray[np.float32]
    significant: NDArray[np.bool_]


class MeanShift:
    """Sums over pairs of maps (B, H, W), from which the mean maps, their test and their effect size follow."""

    def __init__(self, height: int, width: int, rng: np.random.Generator) -> None:
        self.cell_px = -(-max(height, width) // CELLS)
        self.shape = (-(-height // self.cell_px), -(-width // self.cell_px))
        cells = self.shape[0] * self.shape[1]
        self._flips = SignFlips(cells, rng)
        self._means = np.zeros((2, cells))
        self._groups = np.zeros((2, _GROUPS, cells))
        self._counts = np.zeros(_GROUPS)

    def cells(self, maps: Maps) -> NDArray[np.float64]:
        """Return maps (B, H, W) normalized and averaged over cells, (B, h, w)."""
        return block_means(normalized(maps), self.cell_px)

    def add(self, baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> None:
        """Take in pairs of maps (B, h, w) as :meth:`cells` makes them."""
        x, y = (maps.reshape(len(maps), -1) for maps in (baseline, candidate))
        difference = y - x
        self._means += [x.sum(axis=0), y.sum(axis=0)]
        of_group = np.eye(_GROUPS)[(self._flips.n + np.arange(len(x))) % _GROUPS].T
        self._groups += [of_group @ difference, of_group @ difference**2]
        self._counts += of_group.sum(axis=1)
        self._flips.add(difference)

    def maps(self) -> MeanMaps:
        """Return the mean maps of what was added, at least one pair; below ten pairs no cell is significant."""
        test, flips = self._flips.test(), self._flips
        marked = np.zeros(len(flips.total), dtype=np.bool_) if test is None else test.significant
        baseline, candidate, difference = (
            (sums / flips.n).astype(np.float32).reshape(self.shape) for sums in (*self._means, flips.total)
        )
        return MeanMaps(
            baseline=baseline, candidate=candidate, difference=difference, significant=marked.reshape(self.shape)
        )

    def verdict(self, classes: tuple[ClassSaliency, ...] = ()) -> SystematicShift:
        """Return whether the mean difference is more than chance and more than negligible; ``classes`` go along."""
        test, flips = self._flips.test(), self._flips
        if test is None:
            return untested(TOO_FEW, n=flips.n, classes=classes)
        effect, explained = self._measures()
        return SystematicShift(
            verdict=verdict(test.p_value, effect.value or 0.0),
            n=flips.n,
            p_value=test.p_value,
            permutations=flips.permutations,
            cell_px=self.cell_px,
            significant_fraction=Measure(
                value=float(test.significant.mean()), unit=FRACTION, better=Better.LOWER, n=flips.n
            ),
            effect=effect,
            explained=explained,
            largest_effect=float(np.abs(_standardized(flips.total, flips.squares, flips.n)).max()),
            classes=classes,
        )

    def _measures(self) -> tuple[Measure, Measure]:
        """Return effect size and explained share with intervals from leaving out a group of samples in turn."""
        flips = self._flips
        whole = effects(flips.total, flips.squares, flips.n)
        total, squares = self._groups
        parts = None
        if flips.n >= 2 * _GROUPS:
            parts = effects(flips.total - total, flips.squares - squares, flips.n - self._counts[:, None])
        bounds = [_jackknife(whole[place], None if parts is None else parts[place]) for place in range(2)]
        effect = _measure(np.sqrt(max(0.0, whole[0])), _rooted(bounds[0]), flips.n, unit=EFFECT)
        return effect, _measure(max(0.0, whole[1]), bounds[1], flips.n, unit=FRACTION)


def block_means(maps: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Return means over square blocks, (N, ceil(H / block), ceil(W / block)); those at the far edges may be smaller.

    >>> block_means(np.arange(6.0).reshape(1, 2, 3), 2).tolist()
    [[[2.0, 3.5]]]
    """
    if block == 1:
        return maps
    starts = [np.arange(0, side, block) for side in maps.shape[1:]]
    sums = np.add.reduceat(np.add.reduceat(maps, starts[0], axis=1), starts[1], axis=2)
    heights, widths = (np.diff(at, append=side) for at, side in zip(starts, maps.shape[1:], strict=True))
    return np.asarray(sums / np.outer(heights, widths))


def effects(
    total: NDArray[np.float64], squares: NDArray[np.float64], n: NDArray[np.float64] | int
) -> NDArray[np.float64]:
    """Return the squared effect size and the explained share, (2, ...), freed of what chance adds to each.

    From sums and sums of squares (..., P) of n differences, n at least 2. Per cell the squared
    mean over the mean square, ``r² = mean² / mean(d²)``, is on average ``1/n`` too large:
    ``(n r² - 1) / (n - 1)`` has no such bias, so that both may fall below 0. The effect
    averages it over cells, the share weighs cells by their mean square. Without any difference: 0.

    >>> effects(np.array([4.0]), np.array([4.0]), 4).tolist()
    [1.0, 1.0]
    """
    count = np.asarray(n)
    r_squared = _standardized(total, squares, count) ** 2
    cells = np.where(squares > 0, (count * r_squared - 1) / (count - 1), 0.0)
    weights = squares.sum(axis=-1)
    explained = np.divide((cells * squares).sum(axis=-1), weights, out=np.zeros_like(weights), where=weights > 0)
    return np.stack([cells.mean(axis=-1), explained])


def verdict(p_value: float, effect: float) -> ShiftVerdict:
    """Return what a p-value and an effect size mean together.

    >>> verdict(0.001, 0.05).value
    'negligible'
    """
    if p_value >= SIGNIFICANT:
        return ShiftVerdict.NOT_SYSTEMATIC
    return ShiftVerdict.SYSTEMATIC if effect >= SMALL_EFFECT else ShiftVerdict.NEGLIGIBLE


def untested(reason: str, *, n: int, classes: tuple[ClassSaliency, ...] = ()) -> SystematicShift:
    """Return the record of a shift that could not be tested, with the reason.

    >>> untested("one sample", n=1).verdict.value
    'undecided'
    """
    return SystematicShift(
        verdict=ShiftVerdict.UNDECIDED,
        n=n,
        p_value=None,
        permutations=0,
        cell_px=1,
        significant_fraction=undefined(reason, unit=FRACTION, better=Better.LOWER, n=n),
        effect=undefined(reason, unit=EFFECT, better=Better.LOWER, n=n),
        explained=undefined(reason, unit=FRACTION, better=Better.LOWER, n=n),
        largest_effect=None,
        classes=classes,
        undefined_reason=reason,
    )


def _standardized(
    total: NDArray[np.float64], squares: NDArray[np.float64], n: NDArray[np.float64] | int
) -> NDArray[np.float64]:
    """Return the mean over the root mean square of each cell's differences, -1 to 1; 0 for a cell without any."""
    spread = np.sqrt(squares * n)
    return np.divide(total, spread, out=np.zeros_like(total), where=spread > 0)


def _jackknife(whole: np.float64, parts: NDArray[np.float64] | None) -> tuple[float, float] | None:
    if parts is None:
        return None
    groups = len(parts)
    error = np.sqrt((groups - 1) / groups * ((parts - parts.mean()) ** 2).sum())
    half = float(stdtrit(groups - 1, 0.5 + LEVEL / 2) * error)
    return float(whole) - half, float(whole) + half


def _rooted(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is None:
        return None
    low, high = (float(np.sqrt(max(0.0, bound))) for bound in bounds)
    return low, high


def _measure(value: float, bounds: tuple[float, float] | None, n: int, *, unit: str) -> Measure:
    interval = None
    if bounds is not None:
        low, high = (min(1.0, max(0.0, bound)) for bound in bounds)
        method = f"delete-a-group jackknife, {_GROUPS} groups"
        interval = Interval(low=low, high=high, level=LEVEL, method=method)
    return Measure(value=float(value), unit=unit, better=Better.LOWER, n=n, interval=interval)
