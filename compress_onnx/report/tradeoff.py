"""Size against accuracy against latency: one point per artifact and the front nobody dominates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from compress_onnx.records import Artifact, Comparison, Measure, Precision, RunRecord
from compress_onnx.report.figures import milliseconds, percent, size


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
    found = [_baseline(first, by_hash, against)]
    found += [_candidate(comparison, by_hash, against) for comparison in record.comparisons]
    points = tuple(point for point in found if point is not None)
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
    point = _point(comparison.candidate_name, _height(comparison), cost, against)
    return dataclasses.replace(point, precision=artifact.precision) if point and artifact else point


def _height(comparison: Comparison) -> Measure:
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
