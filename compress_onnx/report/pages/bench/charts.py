"""The charts of a ``bench`` page: speed-ups beside the machine's noise, distributions, and sweeps over the batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from plotly import graph_objects as go

from compress_onnx.records import BenchRecord, Measure
from compress_onnx.report.kit import (
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
from compress_onnx.report.pages.bench.settings import names_of, runs_of, settings_of
from compress_onnx.report.sections import box_chart, speedup_chart, spoken_setting

_COLORS = (BASELINE, CANDIDATE, REPAIR, HARM, SIDEWAYS)
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")
Point: TypeAlias = tuple[int, float, float, float]


def bench_charts(record: BenchRecord) -> Mapping[str, Chart]:
    """Return the charts by key: ``speedup``, ``latency``, ``throughput`` and ``distribution``."""
    charts = {
        "throughput": sweep_chart(record, "Throughput", "images per second (log)", lambda run: run.throughput),
        "latency": sweep_chart(record, "Typical latency", "p50 in ms per call (log)", lambda run: run.p50_ms),
        "speedup": _speedups(record),
        "distribution": distribution_chart(record),
    }
    return {key: keyed(key, chart) for key, chart in charts.items()}


def _speedups(record: BenchRecord) -> Chart:
    rows = [row for setting in settings_of(record) for row in zip(names_of(record)[1:], setting, strict=True)]
    if len(settings_of(record)) == 1:
        return speedup_chart(rows)
    named = [(f"{name}, {comparison.batch}/{comparison.threads}", comparison) for name, comparison in rows]
    return speedup_chart(named, " Behind each name stand batch and threads.")


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


def _lines(record: BenchRecord, measured: Any) -> Iterator[tuple[int, int, list[Point]]]:
    """Yield model, threads and the points (batch, value, up, down) of each line."""
    settings = settings_of(record)
    for model, threads in itertools.product(range(len(record.models)), dict.fromkeys(s[0].threads for s in settings)):
        own = [(s[0].batch, measured(runs_of(s)[model])) for s in settings if s[0].threads == threads]
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
        yield _COLORS[model % len(_COLORS)], _DASHES[place % len(_DASHES)], _SYMBOLS[model % len(_SYMBOLS)]


def _line(name: str, style: tuple[str, str, str], points: list[Point]) -> go.Scatter:
    color, dash, symbol = style
    errors = {"array": [p[2] for p in points], "arrayminus": [p[3] for p in points], "symmetric": False}
    return go.Scatter(
        x=[p[0] for p in points],
        y=[p[1] for p in points],
        name=label(name),
        mode="lines+markers",
        line={"color": color, "dash": dash, "width": 2},
        marker={"color": color, "symbol": symbol, "size": 9},
        error_y={**errors, "color": color, "thickness": 1, "width": 3},
        hovertemplate="batch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
    )


def distribution_chart(record: BenchRecord) -> Chart:
    """Return the distribution of all timed calls of each model in the first setting."""
    setting = settings_of(record)[0]
    runs = [
        (name, run.values_ms, _COLORS[place % len(_COLORS)])
        for place, (name, run) in enumerate(zip(names_of(record), runs_of(setting), strict=True))
    ]
    calls = sum(len(values) for _, values, _ in runs)
    alt = f"{calls:,} timed calls, {spoken_setting(setting[0])}; the slowest hundredth may lie beyond the right edge."
    return box_chart("Timed calls", alt, runs)
