"""A made-up bench record."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.records.base import SCHEMA_VERSION, Better, Measure
from compress_onnx.records.latency import BenchRecord, LatencyComparison


@pytest.fixture
def make_bench(run: Any) -> Any:
    """A bench of two candidates in as many settings as asked for."""
    first, second = (comparison.latency for comparison in run.record().comparisons[:2])
    floor = Measure(value=0.03, unit="fraction", better=Better.LOWER, n=10)
    rate = Measure(value=160.0, unit="1/s", better=Better.HIGHER, n=500)

    def rated(latency: LatencyComparison, **changes: Any) -> LatencyComparison:
        runs = {
            name: dataclasses.replace(getattr(latency, name), throughput=rate, first_ms=9.0, peak_bytes=70_000_000)
            for name in ("baseline", "candidate")
        }
        return dataclasses.replace(latency, **runs, noise_floor=floor, cores=(1,), **changes)

    def make(*settings: tuple[int, int], **changes: Any) -> BenchRecord:
        latency = [
            rated(found, threads=threads, batch=batch, significant=found is first)
            for threads, batch in settings
            for found in (first, second)
        ]
        return BenchRecord(
            schema_version=SCHEMA_VERSION,
            models=("nets/base.onnx", "nets/<b>fast.onnx", "other.onnx"),
            environment=run.record().environment,
            seed=0,
            latency=tuple(latency),
            explanations=((), ("It is small.",)),
            command=("compress-onnx", "bench", "a b.onnx"),
            started_at="2026-01-02T03:04:05+00:00",
            **changes,
        )

    return make
