"""Where a call's time goes, by ONNX Runtime's own profile, and why a quantized file is not faster."""

from __future__ import annotations

import collections
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.model import Model
from compress_onnx.records import ExecutionProfile, OperatorTime
from compress_onnx.runtime.bench.rounds import Start, WorkerOptions
from compress_onnx.runtime.cpu import FLOAT_WEIGHTED, INTEGER_WEIGHTED, QDQ

_WARMUP = 10
_MOST_CALLS = 300
_NS = 300_000_000
_KERNEL = "_kernel_time"
# The profile counts whole microseconds and drops what is left: half of one on average.
_DROPPED_US = 0.5
_US_PER_MS = 1000
_WEIGHTED = FLOAT_WEIGHTED | INTEGER_WEIGHTED
_LAYOUT = frozenset({"Flatten", "ReorderInput", "ReorderOutput", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# Less than a fiftieth of a call explains nothing.
_WORTH_SAYING = 0.02
# Below this, the fixed cost of starting an operator (a few microseconds) is a good part of its time.
_SMALL_US = 20


def profile(
    model: Path | Model, images: NDArray[np.float32], *, setting: WorkerOptions, start: Start
) -> ExecutionProfile:
    """Return the profile of a file on a batch of images, taken in a worker of its own.

    Errors
    ------
    ModelError
        if the file cannot be loaded or run.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as folder, start() as worker:
        facts = worker.load(
            model,
            threads=setting.threads,
            spinning=setting.spinning,
            affinity=list(setting.cores),
            profile=str(Path(folder) / "profile"),
        )
        feed = {facts["inputs"][0][0]: images}
        _, spent = worker.ask("time", feed, calls=_WARMUP, where=model)
        calls = int(min(_MOST_CALLS, max(_WARMUP, _NS / max(int(spent["values"].min()), 1))))
        worker.ask("time", calls=calls, where=model)
        _, arrays = worker.ask("profile", where=model)
    return profile_of(json.loads(arrays["profile"].tobytes()), calls=calls)


def profile_of(events: Iterable[Mapping[str, Any]], *, calls: int) -> ExecutionProfile:
    """Return the profile of the last ``calls`` calls in ONNX Runtime's events.

    Per node and for the whole call the time is the mean of the middle half, which passes over interruptions.

    >>> kernel = {"cat": "Node", "name": "c1_kernel_time", "args": {"op_name": "Conv"}}
    >>> run = {"cat": "Session", "name": "model_run", "dur": 30}
    >>> profile_of([{**kernel, "dur": 9}, run, {**kernel, "dur": 20}, run], calls=1).operators
    (OperatorTime(op='Conv', nodes=1, ms=0.0205),)
    """
    runs: list[int] = []
    nodes: dict[tuple[str, str], list[int]] = collections.defaultdict(list)
    for event in events:
        if event["name"] == "model_run":
            runs.append(event["dur"])
        elif event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            nodes[event["args"]["op_name"], event["name"]].append(event["dur"])
    spent: dict[str, list[float]] = collections.defaultdict(list)
    for (op, _), durations in nodes.items():
        spent[op].append(_middle_ms(durations[-calls:]))
    times = [OperatorTime(op=op, nodes=len(own), ms=sum(own)) for op, own in spent.items()]
    operators = sorted(times, key=lambda operator: -operator.ms)
    return ExecutionProfile(calls=calls, run_ms=_middle_ms(runs[-calls:]), nodes=len(nodes), operators=tuple(operators))


def _middle_ms(durations_us: list[int]) -> float:
    ordered, quarter = np.sort(durations_us), len(durations_us) // 4
    return float(ordered[quarter : len(ordered) - quarter].mean() + _DROPPED_US) / _US_PER_MS


def not_faster(baseline: ExecutionProfile, candidate: ExecutionProfile) -> tuple[str, ...]:
    """Return why a candidate is not faster than its baseline, from both profiles, in sentences."""
    if _counts(baseline) == _counts(candidate):
        return (f"It runs the same {_counted(candidate.nodes)} per call as the baseline, of the same kinds.",)
    before, after = (nodes_in(one, _WEIGHTED.__contains__) for one in (baseline, candidate))
    if before != after:
        counted = f"{after} Conv, Gemm and MatMul operators run per call, in the baseline {before}"
        return (f"It is another network, not a smaller copy: {counted}.",)
    sentences = (
        f"It runs {_counted(candidate.nodes)} per call, the baseline {baseline.nodes}.",
        _on_weighted(baseline, candidate),
        _on_share(candidate, lambda op: op in QDQ, "Quantizing and dequantizing at the edges"),
        _on_share(candidate, lambda op: op in _LAYOUT, "Moving values into another layout"),
        _on_size(baseline),
    )
    return tuple(sentence for sentence in sentences if sentence)


def time_in(profiled: ExecutionProfile, counts: Callable[[str], bool]) -> float:
    """Return the milliseconds per call in operators that count."""
    return sum(operator.ms for operator in profiled.operators if counts(operator.op))


def nodes_in(profiled: ExecutionProfile, counts: Callable[[str], bool]) -> int:
    """Return the number of operators that count."""
    return sum(operator.nodes for operator in profiled.operators if counts(operator.op))


def kernels_ms(profiled: ExecutionProfile) -> float:
    """Return the milliseconds per call in all operators; the profiler's own cost lies between them."""
    return sum(operator.ms for operator in profiled.operators)


def _on_weighted(baseline: ExecutionProfile, candidate: ExecutionProfile) -> str:
    before, after = (time_in(one, _WEIGHTED.__contains__) for one in (baseline, candidate))
    if not before or not after:
        return ""
    figures = f"Conv, Gemm and MatMul take {after:.3f} ms per call in it and {before:.3f} ms in the baseline"
    if after >= before:
        return f"{figures}: these layers are too small for its kernels to win."
    rest = kernels_ms(candidate) - after - (kernels_ms(baseline) - before)
    return f"{figures}, {before - after:.3f} ms less; everything else takes {rest:.3f} ms more." if rest > 0 else ""


def _on_share(profiled: ExecutionProfile, counts: Callable[[str], bool], what: str) -> str:
    spent = time_in(profiled, counts)
    nodes = nodes_in(profiled, counts)
    whole = kernels_ms(profiled)
    if not nodes or spent < _WORTH_SAYING * whole:
        return ""
    return f"{what} ({_counted(nodes)}) takes {spent:.3f} ms, {spent / whole:.0%} of the time in operators."


def _on_size(baseline: ExecutionProfile) -> str:
    each = _US_PER_MS * kernels_ms(baseline) / max(baseline.nodes, 1)
    if not baseline.nodes or each >= _SMALL_US:
        return ""
    cheapest = min(baseline.operators, key=lambda operator: operator.ms / operator.nodes)
    least = _US_PER_MS * cheapest.ms / cheapest.nodes
    return (
        f"The baseline's operators take {each:.1f} microseconds on average, and the cheapest, {cheapest.op}, still "
        f"{least:.1f}: at this size calling an operator is a good part of its cost, and quantizing buys size, not speed."
    )


def _counts(profiled: ExecutionProfile) -> dict[str, int]:
    return {operator.op: operator.nodes for operator in profiled.operators}


def _counted(nodes: int) -> str:
    return f"{nodes} operator{'' if nodes == 1 else 's'}"
