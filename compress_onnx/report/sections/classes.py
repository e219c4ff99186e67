"""Who is hurt: recall change per class."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.cells import Table
from compress_onnx.report.chart import keyed
from compress_onnx.report.class_charts import class_chart
from compress_onnx.report.class_tables import class_table, pattern_cell
from compress_onnx.report.section import Absent, Block, Fact, Fold, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Classes"


def section(source: ReportInput) -> Section | Absent:
    """Return recall per class of every candidate."""
    results = [result for comparison in source.record.comparisons for result in comparison.classes]
    if all(result.change.value is None for result in results):
        return Absent(title=TITLE, reason="no class has a recall, as happens without labels")
    return Section(
        key="classes",
        title=TITLE,
        good="all intervals hold zero.",
        bad="filled marks on the left: these classes pay for the compression.",
        panels=candidate_panels(source, _blocks),
    )


def _blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
    chart, table = keyed(f"classes-{index}", class_chart(comparison)), class_table(comparison.classes)
    folded = Fold(summary="Numbers of every class shown", blocks=(table,)) if isinstance(table, Table) else table
    pattern = pattern_cell(comparison.class_pattern)
    return (*((Fact(cell=pattern),) if pattern else ()), chart, folded)
