"""How long calls take."""

from __future__ import annotations

from compress_onnx.records.base import Measure, record


@record
class LatencyRun:
    """Timed calls of one artifact: raw milliseconds per call, warm-up kept apart."""

    values_ms: tuple[float, ...]
    warmup_ms: tuple[float, ...]
    load_ms: float
    p50_ms: Measure
    p90_ms: Measure
    p99_ms: Measure


@record
class LatencyComparison:
    """Interleaved latency of baseline and candidate in one process tree on one CPU.

    ``cpu`` names it where another machine than the run's environment measured, ``None`` elsewhere.
    """

    threads: int
    batch: int
    rounds: int
    baseline: LatencyRun
    candidate: LatencyRun
    speedup: Measure
    warnings: tuple[str, ...]
    cpu: str | None = None
