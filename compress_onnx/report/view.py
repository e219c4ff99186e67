"""Everything a run's page shows, computed from its record, samples and pictures: pure, no file, no clock."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import RunRecord
from compress_onnx.report import provenance
from compress_onnx.report.batch_words import batch_sentences
from compress_onnx.report.section import Absent, Section
from compress_onnx.report.sections import SECTIONS
from compress_onnx.report.source import OlderRun, ReportInput
from compress_onnx.report.summary import CandidateRow, SummaryRow, candidate_rows, hurt_sentence, summary_rows
from compress_onnx.report.verdict import VerdictView, verdict_view

__all__ = ["OlderRun", "ReportInput", "ReportView", "SummaryRow", "build_view", "summary_rows"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """The page's content, formatted: the first screen, the sections, and what is not there and why."""

    title: str
    subtitle: str
    baseline: str
    verdict: VerdictView
    hurt: str
    batches: tuple[str, ...]
    rows: tuple[CandidateRow, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    absent: tuple[Absent, ...]


def build_view(source: ReportInput) -> ReportView:
    """Return the page's content; what the input lacks is named on the page, the rest is shown."""
    record = source.record
    made = [make(source) for make in SECTIONS]
    return ReportView(
        title=f"{source.baseline} on {record.dataset.name}",
        subtitle=_subtitle(record),
        baseline=source.baseline,
        verdict=verdict_view(record.verdict),
        hurt=hurt_sentence(record),
        batches=batch_sentences(record),
        rows=candidate_rows(record),
        warnings=provenance.warnings(record),
        sections=tuple(section for section in made if isinstance(section, Section)),
        absent=tuple(section for section in made if isinstance(section, Absent)),
    )


def _subtitle(record: RunRecord) -> str:
    number = len(record.comparisons)
    candidates = f"{number} candidate{'' if number == 1 else 's'}"
    data = record.dataset
    cpu = f"{record.environment.cpu_model} ({record.environment.cpu_target})"
    return f"{candidates} against the baseline on {data.n:,} images ({data.split}), {cpu}"
