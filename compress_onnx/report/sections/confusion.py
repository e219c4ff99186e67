"""Which confusions grew and which shrank."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.chart import keyed
from compress_onnx.report.class_charts import confusion_chart
from compress_onnx.report.class_tables import confusion_table
from compress_onnx.report.section import Absent, Block, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Confusion"


def section(source: ReportInput) -> Section | Absent:
    """Return the change of confusion counts of every candidate."""
    names = source.record.dataset.class_names
    if not any(comparison.confusion for comparison in source.record.comparisons):
        return Absent(title=TITLE, reason="no confusion counts were recorded, as happens without labels")

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        chart = keyed(f"confusion-{index}", confusion_chart(comparison, names))
        return (chart, confusion_table(comparison.confusion))

    return Section(
        key="confusion",
        title=TITLE,
        good="a nearly empty map, or blue cells: repaired answers.",
        bad="one strong orange cell: a class is now systematically taken for another.",
        panels=candidate_panels(source, blocks),
    )
