"""A paired test of many cells at once: is the mean difference zero everywhere? Sums on the fly, no sample kept.

Under the null hypothesis a sample's row of differences is as likely as its negative, so that the
sums with random signs show what chance does, dependence between cells included (Fisher 1935; for
maps: Nichols & Holmes 2002, Human Brain Mapping 15, 1-25). All random sums grow by one matrix
product per batch; memory is permutations x cells.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from compress_onnx.metrics.statistics.significance import benjamini_hochberg

if TYPE_CHECKING:
    from numpy.typing import NDArray

# With 999 random sums the smallest p-value of the largest cell is 0.001, its error at 0.05 below 0.007.
PERMUTATIONS = 999
# Ten samples have 1,024 patterns of signs; fewer could hardly ever reach 0.05 after any correction.
LEAST_SAMPLES = 10
FALSE_DISCOVERY_RATE = 0.05
# Rows multiplied at once: the signs of more would not stay in a core's cache.
_ROWS = 256


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignFlipTest:
    """The outcome: ``p_value`` that no cell moved, and per cell its p-value and what false discovery leaves.

    ``p_value`` compares the largest standardized sum over all cells with the largest of each random
    sign pattern: exact for symmetric differences, whatever the dependence. ``cell_p`` (P,)
    compares each cell's with those of all cells and patterns together (Storey & Tibshirani 2003);
    ``significant`` (P,) bool follows by Benjamini and Hochberg.
    """

    p_value: float
    cell_p: NDArray[np.float64]
    significant: NDArray[np.bool_]


class SignFlips:
    """Sums of N rows of P differences under random signs, batch by batch."""

    def __init__(self, cells: int, rng: np.random.Generator, *, permutations: int = PERMUTATIONS) -> None:
        self.n = 0
        self.total = np.zeros(cells)
        self.squares = np.zeros(cells)
        self._flipped = np.zeros((permutations, cells), dtype=np.float32)
        self._rng = rng

    @property
    def permutations(self) -> int:
        """How many random sign patterns there are."""
        return len(self._flipped)

    def add(self, rows: NDArray[np.floating[Any]]) -> None:
        """Take in rows (B, P) of differences."""
        for start in range(0, len(rows), _ROWS):
            part = np.asarray(rows[start : start + _ROWS], dtype=np.float32)
            self._flipped += _signs(self.permutations, len(part), self._rng) @ part
        self.n += len(rows)
        wide = rows.astype(np.float64)
        self.total += wide.sum(axis=0)
        self.squares += np.einsum("np,np->p", wide, wide)

    def test(self) -> SignFlipTest | None:
        """Return the test of all rows so far; ``None`` below ten. A cell that never differs has p-value 1."""
        if self.n < LEAST_SAMPLES:
            return None
        moving = self.squares > 0
        spread = np.sqrt(self.squares[moving])
        observed = np.abs(self.total[moving]) / spread
        # The sum of squares is the same under every sign pattern: dividing by it is as good as Student's t.
        random = np.abs(self._flipped[:, moving]) / spread.astype(np.float32)
        cell_p = np.ones(len(self.total))
        cell_p[moving] = _exceeded(observed, random.ravel())
        largest = random.max(axis=1, initial=0.0)
        return SignFlipTest(
            p_value=float(_exceeded(observed.max(initial=0.0, keepdims=True), largest)[0]),
            cell_p=cell_p,
            significant=moving & (benjamini_hochberg(cell_p) <= FALSE_DISCOVERY_RATE),
        )


def _signs(patterns: int, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return random signs (patterns, count), -1 or 1."""
    drawn = rng.integers(0, 256, size=(patterns, -(-count // 8)), dtype=np.uint8)
    bits = np.unpackbits(drawn, axis=1, count=count)
    return bits.astype(np.float32) * 2 - 1


def _exceeded(observed: NDArray[np.float64], random: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the share of values that reach each observed one, which counts itself: never 0 (Phipson & Smyth 2010)."""
    ordered = np.sort(random)
    # Sums in float32 round: what differs by less than that is a tie, and a tie speaks for the null hypothesis.
    below = np.searchsorted(ordered, (observed * (1 - 1e-5)).astype(ordered.dtype), side="left")
    return np.asarray((1 + len(ordered) - below) / (1 + len(ordered)))
