"""A study: what joins the records of its cells."""

from __future__ import annotations

from compress_onnx.records.artifacts import DatasetInfo, Precision
from compress_onnx.records.base import Measure, OptionValue, record
from compress_onnx.records.outputs import ClassPattern
from compress_onnx.records.saliency import ShiftVerdict


@record
class LatencySummary:
    """A candidate's typical call and its speed-up over the baseline, and the CPU that timed both."""

    cpu: str
    p50_ms: Measure
    speedup: Measure


@record
class CandidateSummary:
    """What a study's table says of one candidate; the cell's own record says the rest.

    ``worst_class`` names the class that lost most recall, ``worst_change`` by how much; both are
    ``None`` without labels. ``saliency`` is the mean absolute deviation of the maps,
    ``saliency_place`` where that lies between noise (0) and random weights (1), ``saliency_verdict``
    whether saliency moved in one way. Changes of confidence are means over all, over unchanged
    and over changed predictions; ``class_pattern`` tells whether classes lose unequally beyond chance.
    """

    name: str
    recipe: str
    sha256: str
    precision: Precision
    sparsity: float
    accuracy: Measure
    accuracy_change: Measure
    flips: Measure
    worst_class: str | None
    worst_change: Measure | None
    saliency: Measure | None
    latency: LatencySummary | None
    file_bytes: int
    zip_bytes: int
    confidence_change: Measure
    confidence_change_same: Measure
    confidence_change_flipped: Measure
    class_pattern: ClassPattern | None
    saliency_place: Measure | None
    saliency_verdict: ShiftVerdict | None
    warnings: tuple[str, ...]


@record
class CellSummary:
    """One finished cell: its folder under the study's, its identity, and its candidates in order.

    ``identity`` is the hash of all that the cell's numbers depend on; ``cpu`` where its predictions
    were made.
    """

    name: str
    identity: str
    model: str
    dataset: DatasetInfo
    seed: int
    cpu: str
    accuracy: Measure
    candidates: tuple[CandidateSummary, ...]


@record
class CellFailure:
    """A cell that did not finish, and why."""

    name: str
    reason: str


@record
class StudyRecord:
    """A whole study: ``study.json``, beside one folder per cell."""

    schema_version: int
    started_at: str
    command: tuple[str, ...]
    packages: dict[str, str]
    config: dict[str, OptionValue]
    cells: tuple[CellSummary, ...]
    failures: tuple[CellFailure, ...] = ()
