"""The cells of a study, flattened: one case per candidate, with its network, data set and recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from compress_onnx.records import Artifact, Comparison, Precision, RunRecord

PRUNE = "prune"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StudyCell:
    """One finished cell: its name, its record, and the way to its own report (empty without one)."""

    name: str
    record: RunRecord
    href: str = ""

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.record.dataset.name

    @property
    def baseline(self) -> str:
        """The baseline's name."""
        return self.record.artifacts[0].name if self.record.artifacts else self.name

    @property
    def network(self) -> str:
        """The network's name: the baseline's without its data set."""
        return self.baseline.removesuffix(f"-{self.dataset}")

    @property
    def seed(self) -> str:
        """The seed of the cell, as its record says."""
        return str(self.record.config.get("seed", ""))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One candidate of one cell."""

    cell: StudyCell
    comparison: Comparison
    artifact: Artifact | None

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.comparison.candidate_name

    @property
    def full_name(self) -> str:
        """The candidate's name with its network and data set."""
        return f"{self.name} of {self.cell.network} on {self.cell.dataset}"

    @property
    def is_pruned(self) -> bool:
        """Whether a recipe step pruned it."""
        return self.artifact is not None and any(step.name == PRUNE for step in self.artifact.recipe)

    @property
    def sparsity(self) -> float:
        """The fraction of zero weights, 0 where unknown."""
        return self.artifact.sparsity if self.artifact else 0.0

    @property
    def has_int4(self) -> bool:
        """Whether weights are stored in 4 bits."""
        return self.artifact is not None and self.artifact.precision in {Precision.W4A8, Precision.MIXED}

    @property
    def accuracy_change(self) -> float | None:
        """The change of accuracy as a fraction."""
        return self.comparison.accuracy.change.value

    @property
    def flip_rate(self) -> float | None:
        """The rate of changed predictions."""
        return self.comparison.flips.rate.value


def cases(cells: Iterable[StudyCell]) -> tuple[Case, ...]:
    """Return every candidate of every cell, in order."""
    return tuple(
        Case(cell=cell, comparison=comparison, artifact=_artifact(cell.record, comparison))
        for cell in cells
        for comparison in cell.record.comparisons
    )


def _artifact(record: RunRecord, comparison: Comparison) -> Artifact | None:
    return next((a for a in record.artifacts if a.sha256 == comparison.candidate_sha256), None)
