"""How long a call takes: speed-ups beside the machine's noise, and the raw distributions."""

from __future__ import annotations

from compress_onnx.report.chart import keyed
from compress_onnx.report.latency_charts import latency_chart, speedup_chart, timed_pairs
from compress_onnx.report.latency_tables import latency_table
from compress_onnx.report.section import Absent, Panel, Section
from compress_onnx.report.source import ReportInput

TITLE = "Latency"


def section(source: ReportInput) -> Section | Absent:
    """Return the latencies of all timed pairs."""
    timed = timed_pairs(source.record)
    if not timed:
        return Absent(title=TITLE, reason="latency was not measured in this run")
    return Section(
        key="latency",
        title=TITLE,
        good="a filled mark right of the gray band, and a narrow candidate box wholly left of the baseline's.",
        bad="a mark inside the band, overlapping boxes or long tails: the speed-up is not there when it counts.",
        panels=(
            Panel(
                blocks=(
                    keyed("speedup", speedup_chart(timed)),
                    keyed("latency", latency_chart(source.record, source.baseline)),
                    latency_table(source.record.comparisons, source.baseline),
                )
            ),
        ),
    )
