"""Accuracy against size and against latency, over all candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plotly import graph_objects as go

from compress_onnx.records import Precision, RunRecord
from compress_onnx.report.chart import (
    BASELINE,
    CANDIDATE,
    LABEL_LENGTH,
    Chart,
    as_figure,
    axis,
    label,
    log_axis,
    missing_chart,
)
from compress_onnx.report.label_places import label_places
from compress_onnx.report.tradeoff import Point, pareto, points_of

ROOM = 0.08
"""Share of the height left free above and below the intervals."""
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
    low, high = _height(points)
    x_axis = log_axis(unit, [p.x for p in points])
    layout = {"xaxis": x_axis, "yaxis": axis(f"{quantity} in %", range=[low, high]), "showlegend": False}
    best = ", ".join(p.name for p in front)
    alt = f"{len(points)} artifacts; on the Pareto front: {best}. The table at the top lists the same numbers."
    places = _places(points, x_axis["range"], (low, high))
    traces = [line, *(_marker(point, place) for point, place in zip(points, places, strict=True))]
    return Chart(title=title, alt=alt, height=360, figure=as_figure(traces, layout))


def _height(points: Sequence[Point]) -> tuple[float, float]:
    low, high = min(p.y - p.down for p in points), max(p.y + p.up for p in points)
    room = ROOM * (high - low or 1.0)
    return low - room, high + room


def _places(points: Sequence[Point], logs: Sequence[float], heights: tuple[float, float]) -> list[str]:
    width, height = logs[1] - logs[0], heights[1] - heights[0]
    return label_places(
        [((math.log10(p.x) - logs[0]) / width, (p.y - heights[0]) / height) for p in points],
        [p.name[:LABEL_LENGTH] for p in points],
        [(p.down / height, p.up / height) for p in points],
    )


def _marker(point: Point, text_position: str) -> go.Scatter:
    color = BASELINE if point.is_baseline else CANDIDATE
    error = {"array": [point.up], "arrayminus": [point.down], "symmetric": False, "thickness": 1, "width": 3}
    return go.Scatter(
        x=[point.x],
        y=[point.y],
        mode="markers+text",
        text=[label(point.name)],
        textposition=text_position,
        cliponaxis=False,
        marker={"size": 13, "color": color, "symbol": SYMBOLS.get(point.precision, SYMBOLS[Precision.MIXED])},
        error_y={**error, "color": color},
        customdata=[[label(point.name), point.detail]],
        hovertemplate="%{customdata[0]}<br>%{y:.2f} %<br>%{customdata[1]}<extra></extra>",
    )
