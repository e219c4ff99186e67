"""Counts of a paired comparison: which of two models was right on the same samples."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, slots=True)
class PairedCounts:
    """The four cells of a paired 2x2 table: samples by which model was right."""

    both: int
    only_baseline: int
    only_candidate: int
    neither: int

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.both + self.only_baseline + self.only_candidate + self.neither

    @property
    def baseline(self) -> int:
        """Samples the baseline got right."""
        return self.both + self.only_baseline

    @property
    def candidate(self) -> int:
        """Samples the candidate got right."""
        return self.both + self.only_candidate

    @property
    def discordant(self) -> int:
        """Samples on which exactly one model was right."""
        return self.only_baseline + self.only_candidate

    @property
    def change(self) -> float:
        """Candidate's proportion minus baseline's; ``n`` must be at least 1."""
        return (self.only_candidate - self.only_baseline) / self.n


def paired_counts(baseline_right: NDArray[np.bool_], candidate_right: NDArray[np.bool_]) -> PairedCounts:
    """Count the four outcomes of two (N,) bool arrays over the same samples; empty gives zeros.

    >>> paired_counts(np.array([True, True, False]), np.array([True, False, False]))
    PairedCounts(both=1, only_baseline=1, only_candidate=0, neither=1)
    """
    both = int(np.count_nonzero(baseline_right & candidate_right))
    baseline = int(np.count_nonzero(baseline_right))
    candidate = int(np.count_nonzero(candidate_right))
    return PairedCounts(
        both=both,
        only_baseline=baseline - both,
        only_candidate=candidate - both,
        neither=len(baseline_right) - baseline - candidate + both,
    )
