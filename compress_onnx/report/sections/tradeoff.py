"""Size against accuracy against latency, all candidates in one picture."""

from __future__ import annotations

from compress_onnx.report.chart import keyed
from compress_onnx.report.section import Absent, Pair, Panel, Section
from compress_onnx.report.source import ReportInput
from compress_onnx.report.tradeoff_charts import tradeoff_chart

TITLE = "Size, accuracy, latency"


def section(source: ReportInput) -> Section | Absent:
    """Return the trade-off of all candidates."""
    record = source.record
    if not record.comparisons:
        return Absent(title=TITLE, reason="this run compared no candidate")
    left = keyed("tradeoff-size", tradeoff_chart(record, "size"))
    right = keyed("tradeoff-latency", tradeoff_chart(record, "latency"))
    return Section(
        key="tradeoff",
        title=TITLE,
        good="a candidate far left and as high as the baseline.",
        bad="one below the dotted front: another is smaller or faster and at least as accurate.",
        panels=(Panel(blocks=(Pair(left=(left,), right=(right,)),)),),
    )
