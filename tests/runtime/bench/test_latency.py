"""Latency as a record: plans, values, medians over processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import DataError, OptionError
from compress_onnx.runtime.bench.latency import LatencyPlan, latency_run, measure_latency, timing_batch
from compress_onnx.runtime.bench.rounds import RoundTiming

MS = 1_000_000


def test_duration_becomes_calls_once_for_all_rounds(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32]
) -> None:
    found = measure(machine(ms=4.0), images, rounds=5, duration_s=2.0)
    assert [len(run.values_ms) for run in (*found.runs, found.repeat)] == [500] * 3


def test_the_plan_reaches_the_workers(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32]
) -> None:
    log = machine()
    found = measure(log, images, rounds=1, calls=1, spinning=False)
    options = next(fields for _, _, op, fields in log.asked if op == "load")
    assert options == {"threads": 1, "spinning": False, "affinity": list(found.cores)}


def test_load_first_call_and_memory_are_medians_over_processes(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32]
) -> None:
    found = measure(machine(), images, rounds=3, calls=1, batch=8)
    run = found.runs[0]
    assert (run.load_ms, run.first_ms) == (3.0, 50.0)
    assert (run.loads_ms, run.firsts_ms) == ((3.0,) * 3, (50.0,) * 3)
    assert 10 <= (run.resident_bytes or 0) <= 18
    assert 30 <= (run.peak_bytes or 0) <= 38
    assert run.throughput is not None
    assert run.throughput.value == pytest.approx(8000 / (run.p50_ms.value or 0))


def test_raw_values_are_kept(fp32: Path, images: NDArray[np.float32]) -> None:
    told: list[float] = []
    found = measure_latency(
        [fp32],
        images,
        plan=LatencyPlan(rounds=2, calls=5, batch=8),
        rng=np.random.default_rng(0),
        progress=lambda fraction, _: told.append(fraction),
    )
    for run in (*found.runs, found.repeat):
        assert len(run.values_ms) == 10
        assert min(*run.values_ms, *run.warmup_ms, run.load_ms, *run.firsts_ms) > 0
        assert run.p50_ms.n == run.p90_ms.n == 10
        assert run.p99_ms.value is None
        assert (run.peak_bytes or 0) >= (run.resident_bytes or 0) > 1 << 20
    assert told == [0.5, 1.0]


def test_quantiles_of_a_run_are_samples() -> None:
    heat = RoundTiming(
        load_ns=MS,
        first_ns=MS,
        warmup_ns=(9 * MS,),
        values_ns=tuple(value * MS for value in range(1, 1001)),
        resident_bytes=None,
        peak_bytes=None,
    )
    run = latency_run([heat], batch=1)
    assert (run.p50_ms.value, run.p90_ms.value, run.p99_ms.value) == (500.0, 900.0, 990.0)
    assert run.p99_ms.interval is not None
    assert (run.resident_bytes, run.peak_bytes) == (None, None)


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_batch_repeats_images_in_order(images: NDArray[np.float32], batch: int) -> None:
    found = timing_batch(images, batch)
    np.testing.assert_array_equal(found, np.concatenate([images] * 3)[:batch])


def test_no_images_are_refused(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32]
) -> None:
    with pytest.raises(DataError, match="at least one image"):
        measure(machine(), images[:0])


@pytest.mark.parametrize("name", ["threads", "batch", "rounds", "calls"])
def test_plan_out_of_bounds_is_refused(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32], name: str
) -> None:
    with pytest.raises(OptionError, match=f"{name} at least 1, got 0"):
        measure(machine(), images, **{name: 0})


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_of_nothing_is_refused(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32], seconds: float
) -> None:
    with pytest.raises(OptionError, match=r"duration at least 0\.01"):
        measure(machine(), images, duration_s=seconds)
