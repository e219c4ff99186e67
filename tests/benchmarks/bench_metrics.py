"""Seconds and memory of all metrics on 10,000 samples x 1,000 classes of two models.

``python tests/benchmarks/bench_metrics.py`` prints the rows.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_table import Row, table

SAMPLES, CLASSES = 10_000, 1_000
RUNS = 3


def metric_rows() -> Iterator[Row]:
    """Yield the median seconds and the largest peak of fresh processes: imports and inputs count as memory."""
    found = np.array([_weighed() for _ in range(RUNS)])
    seconds, busy, peak, before = np.median(found[:, 0]), np.median(found[:, 1]), found[:, 2].max(), found[:, 3].max()
    size = f"{SAMPLES:,} x {CLASSES:,} classes, two models"
    yield Row(
        figure=f"all metrics, {size}, seconds",
        bar=3.0,
        reach="at most",
        ours=f"{seconds:.2f} s, {busy:.2f} s of a CPU",
        value=float(seconds),
    )
    yield Row(
        figure=f"all metrics, {size}, peak of the whole process in GiB",
        bar=1.0,
        reach="at most",
        ours=f"{peak:,.0f} MiB, {before:,.0f} before",
        value=float(peak / 2**10),
    )


def outputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels (N,) and the logits (N, C) float32 of two models that flip some 4 % of each other."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=SAMPLES)
    baseline = rng.standard_normal((SAMPLES, CLASSES), dtype=np.float32)
    baseline[np.arange(SAMPLES), labels] += 5
    candidate = rng.standard_normal((SAMPLES, CLASSES), dtype=np.float32)
    candidate *= 0.1
    candidate += baseline
    return labels, baseline, candidate


def _weighed() -> tuple[float, ...]:
    """Return the seconds by the clock and of the CPU, and the memory in MiB at its peak and before."""
    command = [sys.executable, __file__, "once"]
    return tuple(map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))


def _once() -> None:
    from compress_onnx.metrics.compare import compare_outputs
    from compress_onnx.metrics.outputs.pair import LogitPair

    labels, baseline, candidate = outputs()
    names = tuple(f"class {index}" for index in range(CLASSES))
    before = _memory("VmRSS")
    begin, busy = time.perf_counter(), time.process_time()
    compare_outputs(LogitPair(labels=labels, baseline=baseline, candidate=candidate, class_names=names))
    spent = time.perf_counter() - begin, time.process_time() - busy
    print(*spent, _memory("VmHWM"), before)  # noqa: T201  # read by the parent


def _memory(field: str) -> float:
    """Return the process's resident memory (``VmRSS``) or its peak (``VmHWM``) in MiB; Linux only."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{field}:")[1].split()[0]) / 2**10


def main() -> int:
    """Print the rows; the exit code is 1 if a bar was missed."""
    rows = list(metric_rows())
    print(table(rows))  # noqa: T201  # the table is the output
    return int(any(row.passed is False for row in rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["once"]:
        _once()
    else:
        sys.exit(main())
