"""Charts of timed calls: their distributions, and speed-ups beside the machine's noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from plotly import graph_objects as go

from compress_onnx.records import LatencyComparison
from compress_onnx.report.kit import (
    BASELINE,
    CANDIDATE,
    HARM,
    SIDEWAYS,
    TIMES,
    Chart,
    as_figure,
    axis,
    even_quantiles,
    label,
    log_axis,
    missing_chart,
    plain,
)
from compress_onnx.report.sections.latency.tables import NOT_MEASURED, Timed

BOX_POINTS = 100
"""Calls drawn of each run, at even ranks: quartiles and extremes stay, and a browser draws them at once."""
Run: TypeAlias = tuple[str, tuple[float, ...], str]
_ONE = {
    "type": "line",
    "x0": 1,
    "x1": 1,
    "y0": 0,
    "y1": 1,
    "yref": "paper",
    "line": {"color": BASELINE, "dash": "dot"},
}


def speedup_chart(rows: Sequence[Timed], note: str = "") -> Chart:
    """Return every speed-up with its interval, and the band that two copies of the baseline fill.

    ``rows`` are names and comparisons, top first; ``note`` is added to what the chart says in words.
    """
    title = "Speed-up against the baseline"
    if not rows:
        return missing_chart(title, NOT_MEASURED)
    marks = [_mark(place, comparison) for place, (_, comparison) in enumerate(rows)]
    bands = [_band(place, comparison) for place, (_, comparison) in enumerate(rows)]
    values = [value for mark in marks for value in _ends(mark)]
    values += [end for band in bands if band for end in (band["x0"], band["x1"])]
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [label(name) for name, _ in rows]}
    layout = {
        "xaxis": _ratio_axis([*values, 1.0]),
        "yaxis": axis("", range=[len(rows) - 0.4, -0.6], **ticks),
        "shapes": [_ONE, *(band for band in bands if band)],
        "showlegend": False,
    }
    alt = (
        "Speed-up with 95 % interval; filled: more than noise. Gray: as far apart as two copies of the baseline were, "
        f"this machine's noise.{note}"
    )
    return Chart(title=title, alt=alt, height=110 + 40 * len(rows), figure=as_figure(marks, layout))


def _mark(place: int, comparison: LatencyComparison) -> go.Scatter:
    measure = comparison.speedup
    value, interval = measure.value or 1.0, measure.interval
    color = SIDEWAYS if not comparison.significant else CANDIDATE if value > 1 else HARM
    error = {"symmetric": False, "thickness": 2, "width": 5, "color": color}
    ends = {"array": [interval.high - value], "arrayminus": [value - interval.low]} if interval else {"array": [0.0]}
    word = "significant" if comparison.significant else "not significant"
    return go.Scatter(
        x=[value],
        y=[place],
        mode="markers+text",
        text=[f"{plain(value)}{TIMES}"],
        textposition="top center",
        marker={"color": color, "size": 11, "symbol": "circle" if comparison.significant else "circle-open"},
        error_x={**error, **ends},
        hovertemplate=f"%{{x:.4g}} times, {word}<extra></extra>",
    )


def _ratio_axis(values: list[float]) -> dict[str, object]:
    """Return an axis of ratios: logarithmic once the largest is twice the smallest, when it has more than one tick."""
    title = "speed-up"
    if max(values) < 2 * min(values):
        return axis(title)
    return log_axis(f"{title} (log)", values)


def _ends(mark: go.Scatter) -> tuple[float, float]:
    error = mark.error_x
    down = error.arrayminus[0] if error.arrayminus is not None else 0.0
    return max(mark.x[0] - down, 1e-6), mark.x[0] + error.array[0]


def _band(place: int, comparison: LatencyComparison) -> dict[str, Any]:
    floor = comparison.noise_floor
    if floor is None or floor.value is None:
        return {}
    factor = 1 + floor.value
    shape = {"type": "rect", "x0": 1 / factor, "x1": factor, "y0": place - 0.4, "y1": place + 0.4, "layer": "below"}
    return {**shape, "fillcolor": BASELINE, "opacity": 0.3, "line": {"width": 0}}


def box_chart(title: str, alt: str, runs: Sequence[Run]) -> Chart:
    """Return a box with points for each run of calls, first at the top: a name, milliseconds and a color each."""
    ticks = {"tickvals": list(range(len(runs))), "ticktext": [label(name) for name, _, _ in runs]}
    layout = {
        "xaxis": log_axis("milliseconds per call (log)", [end for _, values, _ in runs for end in _bulk(values)]),
        "yaxis": axis("", range=[len(runs) - 0.4, -0.6], **ticks),
        "showlegend": False,
    }
    boxes = [_box(place, values, color) for place, (_, values, color) in enumerate(runs)]
    return Chart(title=title, alt=alt, height=100 + 34 * len(boxes), figure=as_figure(boxes, layout))


def _bulk(values: tuple[float, ...]) -> list[float]:
    """Return both ends of the middle 98 %: a lone hiccup would press all boxes together."""
    positive = [value for value in values if value > 0]
    return np.quantile(positive, [0.01, 0.99]).tolist() if positive else []


def _box(place: int, values: tuple[float, ...], color: str) -> go.Box:
    drawn = even_quantiles(np.asarray(values, dtype=np.float64), BOX_POINTS)
    return go.Box(
        x=[float(f"{value:.4g}") for value in drawn],
        y=[place] * drawn.size,
        orientation="h",
        boxpoints="all",
        jitter=0.6,
        pointpos=0,
        width=0.55,
        marker={"size": 3, "opacity": 0.35, "color": color},
        line={"color": color, "width": 1.5},
        hoverinfo="x",
    )
