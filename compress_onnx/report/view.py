"""Everything the page shows, computed from the record and the samples: pure, no file, no clock, no template."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from compress_onnx.records import AttentionMaps, Comparison, RunRecord
from compress_onnx.report import provenance
from compress_onnx.report.attention import AttentionView, attention_view
from compress_onnx.report.cells import Cell, Table
from compress_onnx.report.elsewhere import cross_cpu_table, footprint_table
from compress_onnx.report.flip_cards import FlipBrowser, Maps, flip_browser
from compress_onnx.report.samples import Columns
from compress_onnx.report.summary import CandidateRow, SummaryRow, candidate_rows, hurt_sentence, summary_rows
from compress_onnx.report.tables import (
    Note,
    class_table,
    confidence_change_table,
    confidence_table,
    confusion_table,
    extra_table,
    fusion_facts,
    fusion_table,
    latency_table,
    saliency_table,
)
from compress_onnx.report.verdict import VerdictView, verdict_view

__all__ = ["CandidateView", "ReportInput", "ReportView", "SummaryRow", "build_view", "summary_rows"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportInput:
    """What a report is made of.

    ``samples`` holds the columns of ``samples.parquet``, each (R,) with one row per sample and
    candidate, or ``None`` where the file is missing: sample_id and candidate (str), label (int64,
    -1 unlabelled), baseline_class and candidate_class (int64), baseline_confidence,
    candidate_confidence, baseline_margin and candidate_margin (float32), flip_kind (str),
    saliency_deviation (float32, NaN where not computed). ``pictures`` maps a sample to PNG bytes,
    ``maps`` a sample and an artifact's name to the PNG bytes of its saliency map, ``attention`` a
    candidate's name to its mean maps and examples.
    """

    record: RunRecord
    samples: Columns | None = None
    pictures: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    maps: Maps = dataclasses.field(default_factory=dict)
    attention: Mapping[str, AttentionMaps] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """One candidate's panels in the sections; ``index`` is its place in the record."""

    index: int
    name: str
    classes: Table | Note
    confusions: Table | Note
    confidence: Table
    confidence_change: Table
    saliency: Table | Note
    attention: AttentionView | None
    fusion: Table | Note
    fusion_share: Cell
    extra: Table | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The page's content, formatted; charts are made apart, from the same input."""

    title: str
    subtitle: str
    baseline: str
    verdict: VerdictView
    hurt: str
    rows: tuple[CandidateRow, ...]
    candidates: tuple[CandidateView, ...]
    latency: Table | Note
    cross_cpu: Table | None
    footprints: Table | None
    artifacts: Table
    recipes: tuple[provenance.Recipe, ...]
    facts: tuple[Table, ...]
    command: str
    warnings: tuple[str, ...]
    flips: FlipBrowser


def build_view(report_input: ReportInput) -> ReportView:
    """Return the page's content; what the input lacks is named on the page, the rest is shown."""
    record = report_input.record
    baseline = record.artifacts[0].name if record.artifacts else "baseline"
    return ReportView(
        title=f"{baseline} on {record.dataset.name}",
        subtitle=_subtitle(record),
        baseline=baseline,
        verdict=verdict_view(record.verdict),
        hurt=hurt_sentence(record),
        rows=candidate_rows(record),
        candidates=tuple(_candidate(i, comparison, report_input) for i, comparison in enumerate(record.comparisons)),
        latency=latency_table(record.comparisons, baseline),
        cross_cpu=cross_cpu_table(record.comparisons, baseline),
        footprints=footprint_table(record.comparisons, baseline),
        artifacts=provenance.artifact_table(record.artifacts),
        recipes=provenance.recipes(record.artifacts),
        facts=provenance.facts(record),
        command=provenance.command(record),
        warnings=provenance.warnings(record),
        flips=flip_browser(record, report_input.samples, report_input.pictures, report_input.maps),
    )


def _subtitle(record: RunRecord) -> str:
    number = len(record.comparisons)
    candidates = f"{number} candidate{'' if number == 1 else 's'}"
    data = record.dataset
    return f"{candidates} against the baseline on {data.n:,} images ({data.split}), {record.environment.cpu_model}"


def _candidate(index: int, comparison: Comparison, report_input: ReportInput) -> CandidateView:
    names = report_input.record.dataset.class_names
    return CandidateView(
        index=index,
        name=comparison.candidate_name,
        classes=class_table(comparison.classes),
        confusions=confusion_table(comparison.confusion, names),
        confidence=confidence_table(comparison.confidence),
        confidence_change=confidence_change_table(comparison.confidence),
        saliency=saliency_table(comparison.saliency),
        attention=attention_view(comparison.saliency, report_input.attention.get(comparison.candidate_name)),
        fusion=fusion_table(comparison.fusion),
        fusion_share=fusion_facts(comparison.fusion),
        extra=extra_table(comparison),
    )
