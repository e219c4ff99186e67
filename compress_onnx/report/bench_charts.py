"""The charts of a ``bench`` page: speed-ups beside the machine's noise, distributions, and sweeps over the batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from plotly import graph_objects as go

from compress_onnx.records import BenchRecord, LatencyComparison, Measure
from compress_onnx.report.bench_words import names_of, runs_of, settings_of, spoken_setting
from compress_onnx.report.chart import (
    BASELINE,
    CANDIDATE,
    HARM,
    REPAIR,
    SIDEWAYS,
    Chart,
    as_figure,
    axis,
    keyed,
    label,
    log_axis,
    missing_chart,
)
from compress_onnx.report.samples import even_quantiles

_COLOURS = (BASELINE, CANDIDATE, REPAIR, HARM, SIDEWAYS)
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")
_BOX_POINTS = 300


def bench_charts(record: BenchRecord) -> Mapping[str, Chart]:
    """Return the charts by key: ``speedup``, ``latency``, ``throughput`` and ``distribution``."""
    charts = {
        "throughput": sweep_chart(record, "Throughput", "images per second (log)", lambda run: run.throughput),
        "latency": sweep_chart(record, "Typical latency", "p50 in ms per call (log)", lambda run: run.p50_ms),
        "speedup": speedup_chart(record),
        "distribution": distribution_chart(record),
    }
    return {key: keyed(key, chart) for key, chart in charts.items()}


def sweep_chart(record: BenchRecord, title: str, unit: str, measured: Any) -> Chart:
    """Return a measure of each model against the batch, one line per model and number of threads."""
    batches = sorted({comparison.batch for comparison in record.latency})
    if len(batches) < 2:
        return missing_chart(title, "One batch size was timed; --batch 1,8,32 draws this chart.")
    names, lines = names_of(record), list(_lines(record, measured))
    several = len({threads for _, threads, _ in lines}) > 1
    values = [value for _, _, points in lines for _, value, _, _ in points]
    traces = [
        _line(
            f"{names[model]}, {threads} thread{'' if threads == 1 else 's'}" if several else names[model], key, points
        )
        for key, (model, threads, points) in zip(_styles(lines), lines, strict=True)
    ]
    layout = {
        "xaxis": axis(
            "images per call (log)", type="log", tickvals=batches, ticktext=[str(batch) for batch in batches]
        ),
        "yaxis": log_axis(unit, values),
    }
    alt = f"{title} over {len(batches)} batch sizes, {len(traces)} lines with 95 % intervals; the tables give the numbers."
    return Chart(title=title, alt=alt, height=380, figure=as_figure(traces, layout))


Point: TypeAlias = tuple[int, float, float, float]


def _lines(record: BenchRecord, measured: Any) -> Iterator[tuple[int, int, list[Point]]]:
    """Yield model, threads and the points (batch, value, up, down) of each line."""
    found = settings_of(record)
    for model, threads in itertools.product(range(len(record.models)), dict.fromkeys(s[0].threads for s in found)):
        own = [(s[0].batch, measured(runs_of(s)[model])) for s in found if s[0].threads == threads]
        yield model, threads, sorted(_point(batch, measure) for batch, measure in own if measure and measure.value)


def _point(batch: int, measure: Measure) -> Point:
    value = measure.value or 0.0
    if measure.interval is None:
        return batch, value, 0.0, 0.0
    return batch, value, measure.interval.high - value, value - measure.interval.low


def _styles(lines: Sequence[tuple[int, int, list[Point]]]) -> Iterator[tuple[str, str, str]]:
    order = list(dict.fromkeys(threads for _, threads, _ in lines))
    for model, threads, _ in lines:
        place = order.index(threads)
        yield _COLOURS[model % len(_COLOURS)], _DASHES[place % len(_DASHES)], _SYMBOLS[model % len(_SYMBOLS)]


def _line(name: str, style: tuple[str, str, str], points: list[Point]) -> go.Scatter:
    colour, dash, symbol = style
    errors = {"array": [p[2] for p in points], "arrayminus": [p[3] for p in points], "symmetric": False}
    return go.Scatter(
        x=[p[0] for p in points],
        y=[p[1] for p in points],
        name=label(name),
        mode="lines+markers",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"color": colour, "symbol": symbol, "size": 9},
        error_y={**errors, "color": colour, "thickness": 1, "width": 3},
        hovertemplate="batch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
    )


def speedup_chart(record: BenchRecord) -> Chart:
    """Return every speed-up with its interval, and the band that two copies of the baseline fill."""
    title = "Speed-up against the baseline"
    rows = [row for setting in settings_of(record) for row in zip(names_of(record)[1:], setting, strict=True)]
    single = len(settings_of(record)) == 1
    names = [name if single else f"{name}, {c.batch}/{c.threads}" for name, c in rows]
    marks = [_mark(place, comparison) for place, (_, comparison) in enumerate(rows)]
    floors = [_band(place, comparison) for place, (_, comparison) in enumerate(rows)]
    values = [value for mark in marks for value in _ends(mark)] + [
        end for f in floors if f for end in (f["x0"], f["x1"])
    ]
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [label(name) for name in names]}
    one = {
        "type": "line",
        "x0": 1,
        "x1": 1,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": BASELINE, "dash": "dot"},
    }
    layout = {
        "xaxis": _ratio_axis([*values, 1.0]),
        "yaxis": axis("", range=[len(rows) - 0.4, -0.6], **ticks),
        "shapes": [one, *(band for band in floors if band)],
        "showlegend": False,
    }
    named = "" if single else " Behind each name stand batch and threads."
    alt = f"Speed-up with 95 % interval. Grey: as far apart as two copies of the baseline, this machine's noise.{named}"
    return Chart(title=title, alt=alt, height=110 + 40 * len(rows), figure=as_figure(marks, layout))


def _mark(place: int, comparison: LatencyComparison) -> go.Scatter:
    measure = comparison.speedup
    value, interval = measure.value or 1.0, measure.interval
    colour = SIDEWAYS if not comparison.significant else CANDIDATE if value > 1 else HARM
    error = {"symmetric": False, "thickness": 2, "width": 5, "color": colour}
    ends = {"array": [interval.high - value], "arrayminus": [value - interval.low]} if interval else {"array": [0.0]}
    word = "significant" if comparison.significant else "not significant"
    return go.Scatter(
        x=[value],
        y=[place],
        mode="markers+text",
        text=[f"{value:.3g}\u00d7"],
        textposition="top center",
        marker={"color": colour, "size": 11, "symbol": "circle" if comparison.significant else "circle-open"},
        error_x={**error, **ends},
        hovertemplate=f"%{{x:.4g}} times, {word}<extra></extra>",
    )


def _ratio_axis(values: list[float]) -> dict[str, object]:
    """Return an axis of ratios: logarithmic once the largest is twice the smallest, when it has more than one tick."""
    title = "times as fast as the baseline"
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


def distribution_chart(record: BenchRecord) -> Chart:
    """Return the distribution of all timed calls of each model in the first setting."""
    title = "Timed calls"
    setting = settings_of(record)[0]
    runs, names = runs_of(setting), names_of(record)
    drawn = [even_quantiles(np.asarray(run.values_ms, np.float64), _BOX_POINTS) for run in runs]
    boxes = [_box(place, values) for place, values in enumerate(drawn)]
    # A few calls that met other work would press all boxes to the edge.
    seen = [value for values in drawn for value in np.quantile(values, [0.0, 0.95]) if value > 0]
    ticks = {"tickvals": list(range(len(runs))), "ticktext": [label(name) for name in names]}
    layout = {
        "xaxis": log_axis("milliseconds per call (log)", seen),
        "yaxis": axis("", autorange="reversed", **ticks),
        "showlegend": False,
    }
    calls = sum(len(run.values_ms) for run in runs)
    alt = f"{calls:,} timed calls, {spoken_setting(setting[0])}; the slowest twentieth may lie beyond the right edge."
    return Chart(title=title, alt=alt, height=100 + 44 * len(boxes), figure=as_figure(boxes, layout))


def _box(place: int, values: Any) -> go.Box:
    colour = _COLOURS[place % len(_COLOURS)]
    return go.Box(
        x=[float(f"{value:.4g}") for value in values if math.isfinite(value)],
        y=[place] * len(values),
        orientation="h",
        boxpoints=False,
        width=0.55,
        line={"color": colour, "width": 1.5},
        hoverinfo="x",
    )
