"""What the candidates answer: accuracy, changed predictions by kind, and how far the outputs moved."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.answer_charts import flip_chart
from compress_onnx.report.answer_tables import accuracy_table, divergence_table, extra_table, flip_table
from compress_onnx.report.chart import keyed
from compress_onnx.report.section import Absent, Block, Pair, Panel, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Answers"


def section(source: ReportInput) -> Section | Absent:
    """Return the flips of all candidates in one chart, then each candidate's answers in numbers."""
    if not source.record.comparisons:
        return Absent(title=TITLE, reason="this run compared no candidate")
    chart = keyed("flips-by-kind", flip_chart(source.record))
    return Section(
        key="answers",
        title=TITLE,
        good="few changed predictions, and no more of them from right to wrong than from wrong to right.",
        bad="equal accuracy that hides many changed predictions: what was won on one picture was lost on another.",
        panels=(Panel(blocks=(chart,)), *candidate_panels(source, _blocks)),
    )


def _blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
    del index
    extra = extra_table(comparison)
    right = (divergence_table(comparison.divergence), *((extra,) if extra else ()))
    return (Pair(left=(accuracy_table(comparison.accuracy), flip_table(comparison.flips)), right=right),)
