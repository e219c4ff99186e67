"""What changed since an older run; only in a report that was asked to hold the two together."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.cells import Note
from compress_onnx.report.differences import (
    ONLY_HERE,
    answers_changed,
    figures_table,
    setting_table,
    unmatched,
    verdict_sentence,
)
from compress_onnx.report.section import Absent, Block, Panel, Section, Text, candidate_panels
from compress_onnx.report.source import OlderRun, ReportInput

TITLE = "Compared with an older run"


def section(source: ReportInput) -> Section | Absent | None:
    """Return both runs' figures side by side, ``None`` where there is no older run."""
    older = source.older
    if older is None:
        return None
    return Section(
        key="against",
        title=TITLE,
        good="nothing got worse, and what both runs were made with is the same.",
        bad="a figure got worse beyond both intervals, or the two runs used other images, so that nothing compares.",
        panels=(
            Panel(blocks=_both(source, older)),
            *candidate_panels(source, lambda _, comparison: _blocks(source, older, comparison)),
        ),
    )


def _both(source: ReportInput, older: OlderRun) -> tuple[Block, ...]:
    before, after = older.record, source.record
    sentences = [f"Older run: {before.run_id}, {before.started_at}.", verdict_sentence(before, after)]
    if before.dataset.sha256 != after.dataset.sha256:
        sentences.append("The runs used other images: differences of figures may be differences of data.")
    sentences += unmatched(before.comparisons, after.comparisons)
    settings = setting_table(before, after)
    return (*(Text(text=text) for text in sentences), *((settings,) if settings else ()))


def _blocks(source: ReportInput, older: OlderRun, comparison: Comparison) -> tuple[Block, ...]:
    name = comparison.candidate_name
    before = next((c for c in older.record.comparisons if c.candidate_name == name), None)
    if before is None:
        return (Note(reason=f"This candidate is {ONLY_HERE}."),)
    sentence = answers_changed(older.samples, source.samples, name)
    return (figures_table(before, comparison), Text(text=sentence))
