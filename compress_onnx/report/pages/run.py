"""A run's page: its first screen, its sections in reading order, and what is not there and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from compress_onnx.records import SCHEMA_VERSION, RunRecord, SaliencyShift
from compress_onnx.report.kit import Absent, ReportInput, Section, SectionMaker, batch_sentences, charts_of
from compress_onnx.report.pages.html import page_html
from compress_onnx.report.pages.summary import CandidateRow, candidate_rows, hurt_sentence
from compress_onnx.report.sections import (
    VerdictView,
    classes_section,
    confidence_section,
    confusion_section,
    cross_cpu_section,
    flips_section,
    fusion_section,
    latency_section,
    origin_section,
    predictions_section,
    previous_run_section,
    saliency_section,
    tradeoff_section,
    uncertainty_section,
    verdict_view,
    weights_section,
)

SECTIONS: tuple[SectionMaker, ...] = (
    previous_run_section,
    tradeoff_section,
    predictions_section,
    classes_section,
    confusion_section,
    confidence_section,
    uncertainty_section,
    saliency_section,
    weights_section,
    fusion_section,
    latency_section,
    cross_cpu_section,
    flips_section,
    origin_section,
)


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
    parts = [make(source) for make in SECTIONS]
    return ReportView(
        title=f"{source.baseline} on {record.dataset.name}",
        subtitle=_subtitle(record),
        baseline=source.baseline,
        verdict=verdict_view(record.verdict),
        hurt=hurt_sentence(record),
        batches=batch_sentences(record),
        rows=candidate_rows(record),
        warnings=warnings(record),
        sections=tuple(section for section in parts if isinstance(section, Section)),
        absent=tuple(section for section in parts if isinstance(section, Absent)),
    )


def _subtitle(record: RunRecord) -> str:
    number = len(record.comparisons)
    candidates = f"{number} candidate{'' if number == 1 else 's'}"
    data = record.dataset
    cpu = f"{record.environment.cpu_model} ({record.environment.cpu_target})"
    return f"{candidates} against the baseline on {data.n:,} images ({data.split}), {cpu}"


def render(source: ReportInput) -> str:
    """Return a run's report as one HTML document that opens from disk.

    Nothing in it is fetched: a content security policy forbids it, plotly's library is inside,
    deflated (a fifth of the bytes), and every text of the record is escaped.
    """
    view = build_view(source)
    data = {key: value for section in view.sections for key, value in section.data.items()}
    return page_html("pages/report.html.j2", charts_of(view.sections), data=data, view=view)


def warnings(record: RunRecord) -> tuple[str, ...]:
    """Return everything the reader should be wary of, each once, in the record's order."""
    sentences = [*_version_warnings(record), *(record.verdict.warnings if record.verdict else ())]
    for artifact in record.artifacts:
        sentences += [f"{artifact.name}: {text}" for text in artifact.warnings]
    for comparison in record.comparisons:
        latency = comparison.latency.warnings if comparison.latency else ()
        sentences += [f"{comparison.candidate_name}, latency: {text}" for text in latency]
        sentences += [
            f"{comparison.candidate_name}, saliency: {text}" for text in _saliency_warnings(comparison.saliency)
        ]
    return tuple(dict.fromkeys(sentences))


def _version_warnings(record: RunRecord) -> Iterable[str]:
    if record.schema_version != SCHEMA_VERSION:
        yield f"The record has schema version {record.schema_version}, this report reads {SCHEMA_VERSION}."
    if record.environment.cpu_saturates:
        yield "This CPU saturates 16-bit sums: int8 answers may differ on a CPU that does not."


def _saliency_warnings(shift: SaliencyShift | None) -> Iterable[str]:
    if shift is None:
        return
    if shift.undefined_reason:
        # Why there are no maps says more than that no twin was accepted.
        yield f"not measured. {shift.undefined_reason}"
        return
    for side, fidelity in (("baseline", shift.fidelity_baseline), ("candidate", shift.fidelity_candidate)):
        if not fidelity.accepted:
            yield f"the twin of the {side} does not compute what the file computes, so its maps are not to be trusted"
