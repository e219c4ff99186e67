"""Whether the baseline's uncertainty still holds: prediction sets, and the temperature that repairs confidence."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.cells import Note
from compress_onnx.report.confidence_tables import sets_table, temperature_table
from compress_onnx.report.section import Absent, Block, Pair, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Uncertainty"


def section(source: ReportInput) -> Section | Absent:
    """Return prediction sets and temperatures of every candidate."""
    found = [comparison.uncertainty for comparison in source.record.comparisons if comparison.uncertainty]
    if not found:
        return Absent(title=TITLE, reason="the run's record holds no prediction sets")
    reasons = {shift.sets.coverage_candidate.undefined_reason for shift in found}
    if None not in reasons:
        return Absent(title=TITLE, reason="; ".join(sorted(filter(None, reasons))))
    return Section(
        key="uncertainty",
        title=TITLE,
        good="the candidate's sets cover what the baseline's do, at the same size, and its temperature is the same.",
        bad="coverage below the promise: a threshold tuned on the baseline no longer protects.",
        panels=candidate_panels(source, _blocks),
    )


def _blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
    del index
    shift = comparison.uncertainty
    if shift is None:
        return (Note(reason="No prediction sets were recorded."),)
    return (Pair(left=(sets_table(shift),), right=(temperature_table(shift.temperature),)),)
