"""Size against accuracy against latency: one point per artifact and the front nobody dominates."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from plotly import graph_objects as go

from compress_onnx.records import Artifact, Comparison, Measure, Precision, RunRecord
from compress_onnx.report.kit import (
    BASELINE,
    CANDIDATE,
    LABEL_LENGTH,
    Absent,
    Chart,
    Pair,
    Panel,
    ReportInput,
    Section,
    as_figure,
    axis,
    keyed,
    label,
    label_places,
    log_axis,
    milliseconds,
    missing_chart,
    percent,
    size,
)

TITLE = "Size, accuracy, latency"
ROOM = 0.08
"""Share of the height left free above and below the intervals."""
SYMBOLS = {
    Precision.FP32: "circle",
    Precision.W8A8: "square",
    Precision.W4A8: "diamond",
    Precision.MIXED: "cross",
}


def tradeoff_section(source: ReportInput) -> Section | Absent:
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
    unit = "file size in MB (log)" if against == "size" else "p50 latency in ms (log)"
    low, high = _height(points)
    x_axis = log_axis(unit, [p.x for p in points])
    layout = {"xaxis": x_axis, "yaxis": axis(f"{quantity} in %", range=[low, high]), "showlegend": False}
    best = ", ".join(p.name for p in front)
    alt = f"{len(points)} artifacts; on the Pareto front: {best}. The table at the top lists the same numbers."
    places = _places(points, x_axis["range"], (low, high))
    traces = [_line(front), *(_marker(point, place) for point, place in zip(points, places, strict=True))]
    return Chart(title=title, alt=alt, height=360, figure=as_figure(traces, layout))


def _line(front: Sequence[Point]) -> go.Scatter:
    return go.Scatter(
        x=[p.x for p in front],
        y=[p.y for p in front],
        mode="lines",
        name="Pareto front",
        line={"color": CANDIDATE, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One artifact: ``x`` in MB or ms (lower is better), ``y`` in % (higher is better), interval arms."""

    name: str
    x: float
    y: float
    up: float = 0.0
    down: float = 0.0
    precision: Precision = Precision.FP32
    is_baseline: bool = False
    detail: str = ""


def points_of(record: RunRecord, against: str) -> tuple[tuple[Point, ...], str]:
    """Return the points and what their height is: accuracy, or agreement with the baseline without labels.

    ``against`` is ``size`` or ``latency``. The baseline comes first; artifacts without a latency
    are left out of ``latency``.
    """
    if not record.comparisons:
        return (), "accuracy"
    first = record.comparisons[0]
    labeled = first.accuracy.baseline.value is not None
    by_hash = {artifact.sha256: artifact for artifact in record.artifacts}
    measured = [_baseline(first, by_hash, against)]
    measured += [_candidate(comparison, by_hash, against) for comparison in record.comparisons]
    points = tuple(point for point in measured if point is not None)
    return (points if len(points) > 1 else ()), "accuracy" if labeled else "agreement with the baseline"


def pareto(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the points that no other beats in both directions, by ascending ``x``.

    >>> [p.name for p in pareto([Point(name="a", x=2, y=90), Point(name="b", x=1, y=91)])]
    ['b']
    """
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return tuple(front)


def _baseline(first: Comparison, by_hash: dict[str, Artifact], against: str) -> Point | None:
    accuracy = first.accuracy.baseline
    latency = first.latency.baseline.p50_ms.value if first.latency else None
    height = accuracy if accuracy.value is not None else dataclasses.replace(accuracy, value=1.0)
    artifact = by_hash.get(first.baseline_sha256)
    name = artifact.name if artifact else "baseline"
    point = _point(name, height, (first.footprint_baseline.file_bytes, latency), against)
    return dataclasses.replace(point, is_baseline=True) if point else None


def _candidate(comparison: Comparison, by_hash: dict[str, Artifact], against: str) -> Point | None:
    latency = comparison.latency.candidate.p50_ms.value if comparison.latency else None
    artifact = by_hash.get(comparison.candidate_sha256)
    cost = (comparison.footprint_candidate.file_bytes, latency)
    point = _point(comparison.candidate_name, _quantity(comparison), cost, against)
    return dataclasses.replace(point, precision=artifact.precision) if point and artifact else point


def _quantity(comparison: Comparison) -> Measure:
    accuracy = comparison.accuracy.candidate
    rate = comparison.flips.rate.value
    if accuracy.value is not None or rate is None:
        return accuracy
    return dataclasses.replace(accuracy, value=1.0 - rate)


def _point(name: str, height: Measure, cost: tuple[int, float | None], against: str) -> Point | None:
    file_bytes, latency = cost
    x = file_bytes / 1e6 if against == "size" else latency
    if height.value is None or x is None or x <= 0:
        return None
    y, interval = 100 * height.value, height.interval
    spoken = milliseconds(latency) if latency is not None else "no latency"
    return Point(
        name=name,
        x=x,
        y=y,
        up=100 * interval.high - y if interval else 0.0,
        down=y - 100 * interval.low if interval else 0.0,
        detail=f"{percent(height.value)}, {size(file_bytes)}, {spoken}",
    )
