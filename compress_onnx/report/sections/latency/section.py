"""How long a call takes: speed-ups beside the machine's noise, and the raw distributions."""

from __future__ import annotations

from compress_onnx.records import RunRecord
from compress_onnx.report.kit import (
    BASELINE,
    CANDIDATE,
    Absent,
    Chart,
    Panel,
    ReportInput,
    Section,
    keyed,
    milliseconds,
    missing_chart,
)
from compress_onnx.report.sections.latency.charts import BOX_POINTS, box_chart, speedup_chart
from compress_onnx.report.sections.latency.tables import NOT_MEASURED, in_turns, latency_table, timed_pairs

TITLE = "Latency"


def latency_section(source: ReportInput) -> Section | Absent:
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


def latency_chart(record: RunRecord, baseline: str) -> Chart:
    """Return the distribution of raw latencies, baseline and candidate of each pair together."""
    title = "Latency per call"
    timed = timed_pairs(record)
    if not timed:
        return missing_chart(title, NOT_MEASURED)
    runs = [(name, run.values_ms, CANDIDATE if own else BASELINE) for name, run, own in in_turns(timed, baseline)]
    slowest = max(max(values, default=0.0) for _, values, _ in runs)
    alt = (
        f"Box and points of {len(runs)} latency runs, {BOX_POINTS} calls each at even ranks. The axis holds 98 % of the "
        f"calls of each run; the slowest call took {milliseconds(slowest)}."
    )
    return box_chart(title, alt, runs)
