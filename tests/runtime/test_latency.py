from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import DataError, ModelError, OptionError
from compress_onnx.runtime.latency import (
    LatencyPlan,
    latency_run,
    measure_latency,
    round_orders,
    timed_calls,
    timing_batch,
)
from compress_onnx.runtime.session import open_session

MS = 1_000_000


def lengthening() -> Callable[[], int]:
    """A clock whose k-th region lasts k milliseconds, so that a value tells when it was taken."""
    now, reads = 0, itertools.count()

    def clock() -> int:
        nonlocal now
        read = next(reads)
        now += MS * (1 + read // 2) if read % 2 else 7 * MS
        return now

    return clock


def test_each_call_is_one_region(fp32: Path, images: NDArray[np.float32]) -> None:
    found = timed_calls(open_session(fp32), {"input": images[:1]}, calls=4, clock=lengthening())
    assert found == (1.0, 2.0, 3.0, 4.0)


def test_garbage_collection_stays_out_of_the_region(fp32: Path, images: NDArray[np.float32]) -> None:
    seen = []

    def clock() -> int:
        seen.append(gc.isenabled())
        return 0

    assert gc.isenabled()
    timed_calls(open_session(fp32), {"input": images[:1]}, calls=2, clock=clock)
    assert seen == [False] * 4
    assert gc.isenabled()


def test_values_are_interleaved_in_the_seeded_order(fp32: Path, u8s8: Path, images: NDArray[np.float32]) -> None:
    plan = LatencyPlan(rounds=3, calls=2, warmup=1, clock=lengthening())
    runs = measure_latency([fp32, u8s8], images, plan=plan, rng=np.random.default_rng(5))
    assert [run.load_ms for run in runs] == [1.0, 2.0]
    ticks = itertools.count(3)
    warmups = [[float(next(ticks))] for _ in runs]
    values: list[list[float]] = [[], []]
    for order in round_orders(2, 3, np.random.default_rng(5)):
        for place in order:
            warmups[place].append(float(next(ticks)))
            values[place] += [float(next(ticks)) for _ in range(2)]
    assert [list(run.values_ms) for run in runs] == values
    assert [list(run.warmup_ms) for run in runs] == warmups


def test_order_is_random_and_repeatable() -> None:
    orders = round_orders(3, 40, np.random.default_rng(0))
    assert orders == round_orders(3, 40, np.random.default_rng(0))
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert {order[0] for order in orders} == {0, 1, 2}


def test_raw_values_are_kept(fp32: Path, images: NDArray[np.float32]) -> None:
    told: list[float] = []
    (run,) = measure_latency(
        [fp32],
        images,
        plan=LatencyPlan(rounds=4, calls=5, warmup=3, batch=8),
        rng=np.random.default_rng(0),
        progress=lambda fraction, _: told.append(fraction),
    )
    assert (len(run.values_ms), len(run.warmup_ms)) == (20, 7)
    assert min(run.values_ms) > 0
    assert run.p50_ms.n == run.p90_ms.n == 20
    assert run.p99_ms.value is None
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_quantiles_of_a_run_are_samples() -> None:
    run = latency_run([float(value) for value in range(1, 1001)], warmup_ms=[9.0], load_ms=3.0)
    assert (run.p50_ms.value, run.p90_ms.value, run.p99_ms.value) == (500.0, 900.0, 990.0)
    assert run.p99_ms.interval is not None


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_batch_repeats_images_in_order(images: NDArray[np.float32], batch: int) -> None:
    found = timing_batch(images, batch)
    np.testing.assert_array_equal(found, np.concatenate([images] * 3)[:batch])


def test_no_images_are_refused(fp32: Path, images: NDArray[np.float32]) -> None:
    with pytest.raises(DataError, match="at least one image"):
        measure_latency([fp32], images[:0], plan=LatencyPlan(), rng=np.random.default_rng(0))


def test_fixed_batch_must_be_the_plans(fixed4: Path, images: NDArray[np.float32]) -> None:
    plan = LatencyPlan(rounds=1, calls=1, batch=4)
    assert len(measure_latency([fixed4], images, plan=plan, rng=np.random.default_rng(0))) == 1
    with pytest.raises(OptionError, match=r"a batch of 4.*got --batch 1 .*fixed4\.onnx"):
        measure_latency([fixed4], images, plan=LatencyPlan(), rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", ["threads", "batch", "rounds", "calls"])
def test_plan_out_of_bounds_is_refused(fp32: Path, images: NDArray[np.float32], name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} at least 1, got 0"):
        measure_latency([fp32], images, plan=LatencyPlan(**{name: 0}), rng=np.random.default_rng(0))


def test_other_images_than_the_model_takes_are_a_model_error(fp32: Path, images: NDArray[np.float32]) -> None:
    with pytest.raises(ModelError, match=r"invalid dimensions.*fp32\.onnx"):
        measure_latency([fp32], images[:, :1], plan=LatencyPlan(), rng=np.random.default_rng(0))


def test_second_input_is_refused(edited: Callable[..., Path], images: NDArray[np.float32]) -> None:
    def add_input(model: onnx.ModelProto) -> None:
        model.graph.input.append(onnx.helper.make_tensor_value_info("b3", onnx.TensorProto.FLOAT, [5]))
        del model.graph.initializer[5]

    with pytest.raises(ModelError, match="one image input, got 2 inputs"):
        measure_latency([edited(add_input)], images, plan=LatencyPlan(), rng=np.random.default_rng(0))
