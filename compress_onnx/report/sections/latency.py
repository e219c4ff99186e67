"""How long a call takes: the raw distributions, both models of a pair beside each other."""

from __future__ import annotations

from compress_onnx.report.chart import keyed
from compress_onnx.report.overview_charts import latency_chart
from compress_onnx.report.section import Absent, Panel, Section
from compress_onnx.report.source import ReportInput
from compress_onnx.report.tables import latency_table

TITLE = "Latency"


def section(source: ReportInput) -> Section | Absent:
    """Return the latencies of all timed pairs."""
    comparisons = source.record.comparisons
    if not any(comparison.latency for comparison in comparisons):
        return Absent(title=TITLE, reason="latency was not measured in this run")
    chart = keyed("latency", latency_chart(source.record))
    return Section(
        key="latency",
        title=TITLE,
        good="a narrow candidate box wholly left of the baseline's.",
        bad="overlapping boxes or long tails: the speed-up is not there when it counts.",
        panels=(Panel(blocks=(chart, latency_table(comparisons, source.baseline))),),
    )
