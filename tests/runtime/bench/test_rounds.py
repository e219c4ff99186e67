"""Rounds: fresh processes, all models in turns, and what a file must be to take part."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import ModelError, OptionError, WorkerError
from compress_onnx.runtime.bench.latency import LatencyPlan, measure_latency
from compress_onnx.runtime.bench.rounds import turns
from compress_onnx.runtime.workers.process import Worker


def test_every_round_has_a_fresh_process_per_model_and_a_second_one_of_the_baseline(
    machine: Callable[..., Any],
    measure: Callable[..., Any],
    images: NDArray[np.float32],
) -> None:
    log = machine()
    measure(log, images, rounds=3, calls=2)
    loads = [(number, file) for number, file, op, _ in log.asked if op == "load"]
    assert sorted(number for number, _ in loads) == list(range(9))
    assert [sorted(file for number, file in loads if number // 3 == done) for done in range(3)] == [["a", "a", "b"]] * 3
    assert log.open == 0


def test_values_are_those_of_the_timed_slices_in_order_of_rounds(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32]
) -> None:
    log = machine()
    found = measure(log, images, rounds=3, calls=25)
    # First call and warm-up come before any slice; each slice begins with one more call that is kept apart.
    slices = [(number, calls) for number, _, op, calls in log.asked if op == "time"]
    timed = [(number, calls) for number, calls in slices if calls not in {0, 2}]
    assert [calls for _, calls in timed] == [13] * 3 + [12] * 3 + [13] * 3 + [12] * 3 + [13] * 3 + [12] * 3
    for run in (*found.runs, found.repeat):
        assert len(run.values_ms) == 75
        assert list(run.values_ms) == sorted(run.values_ms)
        assert len(run.warmup_ms) == 3 * (2 + 2)
    everything = [value for run in (*found.runs, found.repeat) for value in (*run.values_ms, *run.warmup_ms)]
    assert sorted(everything) == [float(tick) for tick in range(1, len(everything) + 1)]


def test_order_is_random_and_repeatable(
    machine: Callable[..., Any], measure: Callable[..., Any], images: NDArray[np.float32]
) -> None:
    logs = [machine(), machine()]
    for log in logs:
        measure(log, images, rounds=20, calls=3)
    first = [number % 3 for number, _, op, calls in logs[0].asked if op == "time" and calls == 3][::3]
    assert set(first) == {0, 1, 2}
    assert logs[0].asked == logs[1].asked


def test_workers_end_when_one_fails(machine: Callable[..., Any], images: NDArray[np.float32]) -> None:
    log = machine()
    starts = itertools.count()

    def start() -> Worker:
        if next(starts) == 1:
            return Worker(("/no/such/program",))
        return log.start()

    with pytest.raises(WorkerError, match="No such file"):
        measure_latency([Path("a.onnx")], images, plan=LatencyPlan(start=start, rounds=1), rng=np.random.default_rng(0))
    assert log.open == 0


@pytest.mark.parametrize("counts", [[1], [9, 2], [50, 50, 50], [1234, 7], [100_000, 3]])
def test_slices_hold_every_call_of_every_model(counts: list[int]) -> None:
    found = list(turns(counts, np.random.default_rng(0)))
    assert [sum(sizes[place] for _, sizes in found) for place in range(len(counts))] == counts
    assert 1 <= len(found) <= 10
    assert all(sorted(order) == list(range(len(counts))) for order, _ in found)


def test_fixed_batch_must_be_the_plans(fixed4: Path, images: NDArray[np.float32]) -> None:
    with pytest.raises(OptionError, match=r"a batch of 4.*got --batch 1 .*fixed4\.onnx"):
        measure_latency([fixed4], images, plan=LatencyPlan(), rng=np.random.default_rng(0))


def test_other_images_than_the_model_takes_are_a_model_error(fp32: Path, images: NDArray[np.float32]) -> None:
    with pytest.raises(ModelError, match=r"invalid dimensions.*fp32\.onnx"):
        measure_latency([fp32], images[:, :1], plan=LatencyPlan(), rng=np.random.default_rng(0))


def test_second_input_is_refused(edited: Callable[..., Path], images: NDArray[np.float32]) -> None:
    def add_input(model: onnx.ModelProto) -> None:
        model.graph.input.append(onnx.helper.make_tensor_value_info("b3", onnx.TensorProto.FLOAT, [5]))
        del model.graph.initializer[5]

    with pytest.raises(ModelError, match="one image input, got 2 inputs"):
        measure_latency([edited(add_input)], images, plan=LatencyPlan(), rng=np.random.default_rng(0))
