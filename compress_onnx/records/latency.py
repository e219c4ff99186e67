"""How long calls take."""

from __future__ import annotations

from compress_onnx.records.artifacts import Environment
from compress_onnx.records.base import Measure, record


@record
class LatencyRun:
    """Timed calls of one artifact: raw milliseconds per call, warm-up kept apart.

    ``load_ms``, ``first_ms`` (the first inference) and the bytes are medians over the rounds' fresh processes,
    whose single values are ``loads_ms`` and ``firsts_ms``. ``resident_bytes`` (after loading) and ``peak_bytes``
    are those of the whole process, with Python and the runtime. ``throughput`` is in images per second.
    """

    values_ms: tuple[float, ...]
    warmup_ms: tuple[float, ...]
    load_ms: float
    p50_ms: Measure
    p90_ms: Measure
    p99_ms: Measure
    loads_ms: tuple[float, ...] = ()
    firsts_ms: tuple[float, ...] = ()
    first_ms: float | None = None
    resident_bytes: int | None = None
    peak_bytes: int | None = None
    throughput: Measure | None = None


@record
class LatencyComparison:
    """Interleaved latency of baseline and candidate on one CPU, a fresh process per file and round.

    ``noise_floor`` is the largest ratio, less one, that two copies of the baseline may have (the A/A round, whose
    medians per round are ``repeat_ms``); ``significant`` tells whether the speed-up's interval excludes 1 and the
    speed-up lies beyond that floor, ``None`` where too few rounds leave it open. ``cores`` are those that the
    processes were kept on, empty where they were not.
    """

    threads: int
    batch: int
    rounds: int
    baseline: LatencyRun
    candidate: LatencyRun
    speedup: Measure
    warnings: tuple[str, ...]
    spinning: bool = True
    cores: tuple[int, ...] = ()
    repeat_ms: tuple[float, ...] = ()
    noise_floor: Measure | None = None
    significant: bool | None = None


@record
class OperatorTime:
    """All nodes of one operator in a profiled graph: how many, and milliseconds per call together."""

    op: str
    nodes: int
    ms: float


@record
class ExecutionProfile:
    """Where a call's time goes, by the runtime's own profile: the slowest operator first.

    ``run_ms`` is the typical whole call under the profiler, which costs a few microseconds per operator itself.
    """

    calls: int
    run_ms: float
    nodes: int
    operators: tuple[OperatorTime, ...]


@record
class BenchRecord:
    """What ``bench`` found: models baseline first, one comparison per setting and candidate, setting by setting.

    ``explanations`` say for each candidate why it is not faster, in sentences; empty where it is.
    """

    schema_version: int
    models: tuple[str, ...]
    environment: Environment
    seed: int
    latency: tuple[LatencyComparison, ...]
    explanations: tuple[tuple[str, ...], ...]
    command: tuple[str, ...] = ()
    started_at: str = ""
