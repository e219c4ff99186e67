"""How sure the candidates are, and whether that can be trusted."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.chart import keyed
from compress_onnx.report.confidence_tables import confidence_change_table, confidence_table
from compress_onnx.report.sample_charts import change_histogram, confidence_scatter, reliability_chart
from compress_onnx.report.section import Absent, Block, Pair, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Confidence"


def section(source: ReportInput) -> Section | Absent:
    """Return confidence before and after, its change and its reliability."""
    if not source.record.comparisons:
        return Absent(title=TITLE, reason="this run compared no candidate")
    names = source.record.dataset.class_names

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        scatter = keyed(f"scatter-{index}", confidence_scatter(comparison, source.samples, names))
        by_group = confidence_change_table(comparison.confidence)
        histogram = keyed(f"histogram-{index}", change_histogram(comparison))
        reliability = keyed(f"reliability-{index}", reliability_chart(comparison))
        return (
            Pair(left=(scatter,), right=(reliability,)),
            Pair(left=(confidence_table(comparison.confidence),), right=(histogram, by_group)),
        )

    return Section(
        key="confidence",
        title=TITLE,
        good="points on the diagonal, flips only at low confidence, a narrow histogram at zero.",
        bad="flips in the upper right corner: the candidate is surely wrong where the baseline was surely right.",
        panels=candidate_panels(source, blocks),
    )
