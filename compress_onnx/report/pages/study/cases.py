"""The cells of a study, flattened: one case per candidate, with its network, data set and recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from enum import StrEnum

from compress_onnx.records import Artifact, Comparison, RecipeStep, RunRecord

PRUNE, SEARCH, REPAIR, QUANTIZE = "prune", "search", "repair", "quantize"


class Way(StrEnum):
    """How a candidate was made: as in the published study, better than there, or with nothing to improve."""

    PUBLISHED = "published"
    IMPROVED = "improved"
    EITHER = "either"


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
        return any(step.name == PRUNE for step in self._recipe)

    @property
    def has_set_sparsity(self) -> bool:
        """Whether it was pruned to a sparsity set by hand and not one found by search."""
        return self.is_pruned and not any(step.name == SEARCH for step in self._recipe)

    @property
    def way(self) -> Way:
        """How it was made, as its recipe says."""
        ways = {_way(step) for step in self._recipe}
        return next((way for way in (Way.IMPROVED, Way.PUBLISHED) if way in ways), Way.EITHER)

    @property
    def _recipe(self) -> tuple[RecipeStep, ...]:
        return self.artifact.recipe if self.artifact else ()

    @property
    def sparsity(self) -> float:
        """The fraction of zero weights, 0 where unknown."""
        return self.artifact.sparsity if self.artifact else 0.0

    @property
    def has_int4(self) -> bool:
        """Whether weights are stored in 4 bits."""
        return self.artifact is not None and self.artifact.precision.has_4_bits

    @property
    def accuracy_change(self) -> float | None:
        """The change of accuracy as a fraction."""
        return self.comparison.accuracy.change.value

    @property
    def flip_rate(self) -> float | None:
        """The rate of changed predictions."""
        return self.comparison.flips.rate.value


def _way(step: RecipeStep) -> Way:
    """Tell whether a step prunes or rounds to 4 bits as published, or by repair, unfolded or with GPTQ."""
    if step.name == REPAIR:
        return Way.IMPROVED
    if step.name == PRUNE:
        return Way.PUBLISHED if step.options.get("basis") == "folded" else Way.IMPROVED
    if step.name == QUANTIZE and step.options.get("weights") != "int8":
        return Way.PUBLISHED if step.options.get("rounding") == "nearest" else Way.IMPROVED
    return Way.EITHER


def cases(cells: Iterable[StudyCell]) -> tuple[Case, ...]:
    """Return every candidate of every cell, in order."""
    return tuple(
        Case(cell=cell, comparison=comparison, artifact=_artifact(cell.record, comparison))
        for cell in cells
        for comparison in cell.record.comparisons
    )


def _artifact(record: RunRecord, comparison: Comparison) -> Artifact | None:
    return next((a for a in record.artifacts if a.sha256 == comparison.candidate_sha256), None)
