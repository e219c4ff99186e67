"""A machine of imagined workers, on which rounds are timed without a process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.runtime.bench.latency import LatencyPlan, measure_latency
from compress_onnx.runtime.workers.process import Worker

MS = 1_000_000


class Log:
    """What a machine of imagined workers was asked for; the k-th call of all takes k milliseconds."""

    def __init__(self, *, ms: float | None = None) -> None:
        self.asked: list[tuple[int, str, str, Any]] = []
        self.open, self.started = 0, 0
        self._ticks: Iterator[float] = itertools.count(1) if ms is None else itertools.repeat(ms)

    def spent(self, calls: int) -> NDArray[np.int64]:
        return np.array([round(next(self._ticks) * MS) for _ in range(calls)], np.int64)

    def start(self) -> Worker:
        return Imagined(self)


class Imagined(Worker):
    def __init__(self, log: Log) -> None:
        super().__init__(("imagined",))
        self._log, self._number, self._file = log, -1, ""

    def __enter__(self) -> Self:
        self._number = self._log.started
        self._log.started += 1
        self._log.open += 1
        return self

    def dismiss(self) -> None:
        assert self._log.open > 0

    def close(self, *, grace_seconds: float = 0.0) -> None:
        self._log.open -= 1

    def ask(self, op: str, arrays: Any = None, **fields: Any) -> Any:
        self._file = Path(fields["path"]).stem if op == "load" else self._file
        self._log.asked.append((self._number, self._file, op, fields.get("calls", fields.get("options"))))
        if op == "load":
            memory = {"resident_bytes": 10 + self._number, "peak_bytes": 0}
            return {"load_ns": 3 * MS, "memory": memory, "inputs": [["x", "tensor(float)", ["n", 3, 8, 8]]]}, {}
        warmup = self._log.spent(fields.get("warmup", 0))
        answer = {"first_ns": 50 * MS, "memory": {"resident_bytes": 20, "peak_bytes": 30 + self._number}}
        return answer, {"values": self._log.spent(fields["calls"]), "warmup": warmup}


def measured(log: Log, images: NDArray[np.float32], **fields: Any) -> Any:
    plan = LatencyPlan(start=log.start, **fields)
    return measure_latency([Path("a.onnx"), Path("b.onnx")], images, plan=plan, rng=np.random.default_rng(5))


@pytest.fixture
def machine() -> type[Log]:
    """Make a log of what workers are asked for: ``machine(ms=3)``, every call of three milliseconds."""
    return Log


@pytest.fixture
def measure() -> Callable[..., Any]:
    """Time two imagined files on a machine: ``measure(machine(), images, rounds=3)``."""
    return measured
