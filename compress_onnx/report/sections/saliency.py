"""Where the models look: how far the maps moved between noise floor and randomised ceiling."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.chart import keyed
from compress_onnx.report.sample_charts import saliency_chart
from compress_onnx.report.section import Absent, Block, Section, candidate_panels
from compress_onnx.report.source import ReportInput
from compress_onnx.report.tables import saliency_table

TITLE = "Saliency"


def section(source: ReportInput) -> Section | Absent:
    """Return the shift of attention of every candidate."""
    if not any(comparison.saliency for comparison in source.record.comparisons):
        return Absent(title=TITLE, reason="saliency was not measured in this run")

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        chart = keyed(f"saliency-{index}", saliency_chart(comparison, source.samples))
        return (chart, saliency_table(comparison.saliency))

    return Section(
        key="saliency",
        title=TITLE,
        good="all bars close to the floor: the model looks where it looked.",
        bad="bars near the ceiling: the maps are as foreign as those of random weights.",
        panels=candidate_panels(source, blocks),
    )
