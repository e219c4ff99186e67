"""Charts over all candidates: accuracy against size and latency, and the latencies themselves."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from plotly import graph_objects as go

from compress_onnx.records import LatencyComparison, Precision, RunRecord
from compress_onnx.report.cells import milliseconds
from compress_onnx.report.chart import BASELINE, CANDIDATE, Chart, as_figure, axis, label, log_axis, missing_chart
from compress_onnx.report.samples import even_quantiles
from compress_onnx.report.tradeoff import Point, pareto, points_of

# Neighbours get their names at different heights, so that they do not overprint.
HEIGHTS = ("top", "bottom", "middle")
BOX_POINTS = 300
SYMBOLS = {
    Precision.FP32: "circle",
    Precision.W8A8: "square",
    Precision.W4A8: "diamond",
    Precision.MIXED: "cross",
}


def tradeoff_chart(record: RunRecord, against: str) -> Chart:
    """Return accuracy against file size or latency, the Pareto front joined.

    ``against`` is ``size`` or ``latency``; without labels, agreement with the baseline stands for
    accuracy.
    """
    title = "Accuracy against file size" if against == "size" else "Accuracy against latency"
    points, quantity = points_of(record, against)
    if not points:
        return missing_chart(title, "Latency was not measured in this run.")
    front = pareto(points)
    line = go.Scatter(
        x=[p.x for p in front],
        y=[p.y for p in front],
        mode="lines",
        name="Pareto front",
        line={"color": CANDIDATE, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )
    unit = "file size in MB (log)" if against == "size" else "p50 latency in ms (log)"
    layout = {"xaxis": log_axis(unit, [p.x for p in points]), "yaxis": axis(f"{quantity} in %"), "showlegend": False}
    best = ", ".join(p.name for p in front)
    alt = f"{len(points)} artifacts; on the Pareto front: {best}. The table at the top lists the same numbers."
    ordered = sorted(points, key=lambda p: p.x)
    middle = math.sqrt(ordered[0].x * ordered[-1].x)
    traces = [line, *(_marker(p, f"{HEIGHTS[i % 3]} {_side(p.x, middle)}") for i, p in enumerate(ordered))]
    return Chart(title=title, alt=alt, height=360, figure=as_figure(traces, layout))


def _side(x: float, middle: float) -> str:
    return "right" if x <= middle else "left"


def _marker(point: Point, text_position: str) -> go.Scatter:
    colour = BASELINE if point.is_baseline else CANDIDATE
    error = {"array": [point.up], "arrayminus": [point.down], "symmetric": False, "thickness": 1, "width": 3}
    return go.Scatter(
        x=[point.x],
        y=[point.y],
        mode="markers+text",
        text=[label(point.name)],
        textposition=text_position,
        cliponaxis=False,
        marker={"size": 13, "color": colour, "symbol": SYMBOLS[point.precision]},
        error_y={**error, "color": colour},
        customdata=[[label(point.name), point.detail]],
        hovertemplate="%{customdata[0]}<br>%{y:.2f} %<br>%{customdata[1]}<extra></extra>",
    )


def latency_chart(record: RunRecord) -> Chart:
    """Return the distribution of raw latencies, baseline and candidate of each pair together."""
    title = "Latency per call"
    timed = [(c.candidate_name, c.latency) for c in record.comparisons if c.latency is not None]
    if not timed:
        return missing_chart(title, "Latency was not measured in this run.")
    runs = [run for name, latency in timed for run in _pair(name, latency)]
    ticks = {"tickvals": list(range(len(runs))), "ticktext": [label(name) for name, _, _ in runs]}
    layout = {
        "xaxis": log_axis("milliseconds per call (log)", [end for _, values, _ in runs for end in _bulk(values)]),
        "yaxis": axis("", autorange="reversed", **ticks),
        "showlegend": False,
    }
    boxes = [_box(place, values, colour) for place, (_, values, colour) in enumerate(runs)]
    slowest = max(max(values, default=0.0) for _, values, _ in runs)
    alt = (
        f"Box and points of {len(boxes)} latency runs; the table below gives their quantiles. "
        f"The axis holds 98 % of the calls of each run; the slowest call took {milliseconds(slowest)}."
    )
    return Chart(title=title, alt=alt, height=100 + 44 * len(boxes), figure=as_figure(boxes, layout))


Run: TypeAlias = tuple[str, tuple[float, ...], str]


def _pair(name: str, latency: LatencyComparison) -> tuple[Run, Run]:
    return ("baseline beside it", latency.baseline.values_ms, BASELINE), (name, latency.candidate.values_ms, CANDIDATE)


def _bulk(values: tuple[float, ...]) -> list[float]:
    """Return both ends of the middle 98 %: a lone hiccup would press all boxes together."""
    known = [value for value in values if value > 0]
    return np.quantile(known, [0.01, 0.99]).tolist() if known else []


def _box(place: int, values: tuple[float, ...], colour: str) -> go.Box:
    drawn = even_quantiles(np.asarray(values, dtype=np.float64), BOX_POINTS)
    return go.Box(
        x=drawn.tolist(),
        y=[place] * drawn.size,
        orientation="h",
        boxpoints="all",
        jitter=0.6,
        pointpos=0,
        width=0.55,
        marker={"size": 3, "opacity": 0.35, "color": colour},
        line={"color": colour, "width": 1.5},
        hoverinfo="x",
    )
