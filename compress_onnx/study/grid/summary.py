"""The summary that joins a study's cells: what its table says of every candidate, from the cells' own records."""

from __future__ import annotations

from collections.abc import Iterable

from compress_onnx.records import (
    Artifact,
    CandidateSummary,
    CellSummary,
    ClassResult,
    Comparison,
    Environment,
    LatencyComparison,
    LatencySummary,
    Measure,
    RunRecord,
    ShiftVerdict,
)
from compress_onnx.study.cells import StudyCell, artifact_name


def summary_of(name: str, identity: str, cell: StudyCell, record: RunRecord) -> CellSummary:
    """Return what a study says of a finished cell.

    Errors
    ------
    KeyError
        if the record is that of another cell.
    """
    recipes = {artifact_name(text): text for text in cell.recipes}
    artifacts = {artifact.name: artifact for artifact in record.artifacts}
    timed_on = _label(record.timed_on or record.environment)
    return CellSummary(
        name=name,
        identity=identity,
        model=cell.model,
        dataset=record.dataset,
        seed=cell.options.seed,
        cpu=_label(record.environment),
        accuracy=record.comparisons[0].accuracy.baseline,
        candidates=tuple(
            _candidate(one, artifacts[one.candidate_name], recipes[one.candidate_name], timed_on)
            for one in record.comparisons
        ),
    )


def _candidate(comparison: Comparison, artifact: Artifact, recipe: str, timed_on: str) -> CandidateSummary:
    worst = _worst(comparison.classes)
    return CandidateSummary(
        name=artifact.name,
        recipe=recipe,
        sha256=artifact.sha256,
        precision=artifact.precision,
        sparsity=artifact.sparsity,
        accuracy=comparison.accuracy.candidate,
        accuracy_change=comparison.accuracy.change,
        flips=comparison.flips.rate,
        worst_class=worst.class_name if worst else None,
        worst_change=worst.change if worst else None,
        saliency=_saliency(comparison),
        latency=_latency(comparison.latency, timed_on),
        file_bytes=artifact.file_bytes,
        zip_bytes=artifact.zip_bytes,
        confidence_change=comparison.confidence.change_all,
        confidence_change_same=comparison.confidence.change_same,
        confidence_change_flipped=comparison.confidence.change_flipped,
        class_pattern=comparison.class_pattern,
        saliency_place=comparison.saliency.scale_position if comparison.saliency else None,
        saliency_verdict=_verdict(comparison),
        warnings=artifact.warnings,
    )


def _worst(classes: Iterable[ClassResult]) -> ClassResult | None:
    """Return the class that lost most recall, the first of equals; ``None`` where none is known."""
    measured = [one for one in classes if one.change.value is not None]
    return min(measured, key=lambda one: one.change.value or 0.0, default=None)


def _saliency(comparison: Comparison) -> Measure | None:
    group = comparison.saliency.over_all if comparison.saliency else None
    return group.mean_absolute_deviation if group else None


def _verdict(comparison: Comparison) -> ShiftVerdict | None:
    systematic = comparison.saliency.systematic if comparison.saliency else None
    return systematic.verdict if systematic else None


def _label(machine: Environment) -> str:
    return f"{machine.cpu_model} ({machine.cpu_target})"


def _latency(comparison: LatencyComparison | None, timed_on: str) -> LatencySummary | None:
    if comparison is None:
        return None
    return LatencySummary(cpu=timed_on, p50_ms=comparison.candidate.p50_ms, speedup=comparison.speedup)
