"""Changed predictions of all candidates, by kind, in one chart."""

from __future__ import annotations

from plotly import graph_objects as go

from compress_onnx.records import FlipSummary, RunRecord
from compress_onnx.report.chart import KIND_STYLE, Chart, as_figure, axis, label, missing_chart

ROW_HEIGHT = 30
FRAME_HEIGHT = 110
# What tells the kinds apart in gray.
HATCHES = {"negative": "", "positive": "/", "lateral": "x", "unlabeled": ""}


def flip_chart(record: RunRecord) -> Chart:
    """Return one bar per candidate, stacked by kind of flip, in percent of all images."""
    title = "Changed predictions by kind"
    rows = [(comparison.candidate_name, comparison.flips) for comparison in record.comparisons]
    if not any(flips.flips for _, flips in rows):
        return missing_chart(title, "No prediction changed under any candidate.")
    numbers = {kind: [_number(flips, kind) for _, flips in rows] for kind in KIND_STYLE}
    traces = [_bars(kind, found, [flips.n for _, flips in rows]) for kind, found in numbers.items() if any(found)]
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [label(name) for name, _ in rows]}
    layout = {
        "xaxis": axis("% of all images", rangemode="tozero"),
        "yaxis": axis("", range=[len(rows) - 0.4, -0.6], **ticks),
        "barmode": "stack",
        "bargap": 0.35,
    }
    most = max(rows, key=lambda row: row[1].flips)
    return Chart(
        title=title,
        alt=f"Share of changed predictions of {len(rows)} candidates by kind; most, {most[1].flips:,}, under "
        f"\u2068{most[0]}\u2069.",
        height=FRAME_HEIGHT + ROW_HEIGHT * len(rows),
        figure=as_figure(traces, layout),
    )


def _number(flips: FlipSummary, kind: str) -> int:
    if kind == "unlabeled":
        return flips.flips if flips.negative is None else 0
    return int(getattr(flips, kind) or 0)


def _bars(kind: str, numbers: list[int], totals: list[int]) -> go.Bar:
    color, _ = KIND_STYLE[kind]
    return go.Bar(
        orientation="h",
        name=kind,
        x=[100 * number / total if total else 0.0 for number, total in zip(numbers, totals, strict=True)],
        y=list(range(len(numbers))),
        marker={
            "color": color,
            "pattern": {"shape": HATCHES[kind], "bgcolor": color, "fgcolor": "white", "fgopacity": 0.6},
        },
        customdata=[f"{number:,}" for number in numbers],
        hovertemplate="%{customdata} " + kind + ", %{x:.2f} %<extra></extra>",
    )
