from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.compare import timing
from compress_onnx.compare.timing import Sweep, bench_models, time_files, write_bench
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.model.model import Model
from compress_onnx.records.latency import BenchRecord, ExecutionProfile, LatencyRun, OperatorTime
from compress_onnx.runtime.bench.latency import LatencyPlan, Timings, latency_run
from compress_onnx.runtime.bench.rounds import RoundTiming

NS = 1_000_000


def run_of(ms: float, rounds: int) -> LatencyRun:
    spent = (round(ms * NS),) * (2 * rounds)
    heat = RoundTiming(load_ns=NS, first_ns=NS, warmup_ns=(), values_ns=spent, resident_bytes=None, peak_bytes=None)
    return latency_run([heat], batch=1)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A machine on which files take the milliseconds that their names say, and whose profiles are counted."""
    seen: dict[str, Any] = {"plans": [], "profiled": [], "shapes": []}

    def measure(models: Sequence[Model], inputs: NDArray[np.float32], *, plan: LatencyPlan, **_: Any) -> Timings:
        seen["plans"].append((plan.threads, plan.batch))
        seen["shapes"].append(inputs.shape)
        runs = tuple(run_of(float(model.where.stem), plan.rounds) for model in models)
        return Timings(runs=runs, repeat=runs[0], cores=(), warnings=())

    def profile(model: Model, images: NDArray[np.float32], **_: Any) -> ExecutionProfile:
        seen["profiled"].append(model.where.stem)
        operators = (OperatorTime(op="Relu", nodes=int(float(model.where.stem)), ms=1.0),)
        return ExecutionProfile(calls=1, run_ms=1.0, nodes=operators[0].nodes, operators=operators)

    monkeypatch.setattr(timing, "measure_latency", measure)
    monkeypatch.setattr(timing, "profile", profile)
    return seen


def sweep(threads: tuple[int, ...] = (1,), batches: tuple[int, ...] = (1,), **plan: Any) -> Sweep:
    return Sweep(threads=threads, batches=batches, plan=LatencyPlan(rounds=8, calls=2, **plan))


def test_every_pair_of_threads_and_batch_is_timed_once(make_classifier: Any, machine: dict[str, Any]) -> None:
    paths = [make_classifier("2"), make_classifier("1"), make_classifier("4")]
    found = time_files(paths, sweep(batches=(1, 8)), seed=0)
    assert machine["plans"] == [(1, 1), (1, 8)]
    assert machine["shapes"] == [(1, 3, 6, 6), (8, 3, 6, 6)]
    assert [(one.batch, one.speedup.value) for one in found] == [
        (1, pytest.approx(2.0)),
        (1, pytest.approx(0.5)),
        (8, pytest.approx(2.0)),
        (8, pytest.approx(0.5)),
    ]


def test_only_those_that_are_not_faster_are_profiled_and_explained(
    make_classifier: Any, machine: dict[str, Any]
) -> None:
    paths = [make_classifier("2"), make_classifier("1"), make_classifier("4")]
    record = bench_models(paths, sweep(batches=(1, 8)), seed=0)
    assert sorted(machine["profiled"]) == ["2", "4"]
    assert record.explanations[0] == ()
    assert record.explanations[1][0] == "It runs 4 operators per call, the baseline 2."


def test_nothing_is_profiled_where_all_are_faster(make_classifier: Any, machine: dict[str, Any]) -> None:
    record = bench_models([make_classifier("4"), make_classifier("1")], sweep(), seed=0)
    assert (machine["profiled"], record.explanations) == ([], ((),))


def test_the_record_is_written_whole_beside_its_page(
    make_classifier: Any, machine: dict[str, Any], tmp_path: Path
) -> None:
    record = bench_models([make_classifier("4"), make_classifier("1")], sweep(), seed=0)
    record = dataclasses.replace(record, command=("compress-onnx", "bench"))
    page = write_bench(record, tmp_path / "run")
    assert sorted(path.name for path in page.parent.iterdir()) == ["bench.html", "bench.json"]
    found = json.loads((tmp_path / "run" / "bench.json").read_text(encoding="utf-8"))
    assert set(found) == {field.name for field in dataclasses.fields(BenchRecord)}
    assert found["latency"][0]["candidate"]["values_ms"] == [1.0] * 16


@pytest.mark.parametrize(("threads", "batches"), [((0,), (1,)), ((1,), (0,))])
def test_settings_out_of_bounds_are_refused_before_timing(
    make_classifier: Any, machine: dict[str, Any], threads: tuple[int, ...], batches: tuple[int, ...]
) -> None:
    with pytest.raises(OptionError, match="at least 1, got 0"):
        time_files([make_classifier("1"), make_classifier("2")], sweep(threads, batches), seed=0)
    assert machine["plans"] == []


def test_more_threads_than_cores_are_refused(
    make_classifier: Any, machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "core_numbers", lambda: (0, 1, 2))
    with pytest.raises(OptionError, match="threads at most 3, the cores this process may use, got 4"):
        time_files([make_classifier("1"), make_classifier("2")], sweep((1, 4)), seed=0)
    assert len(time_files([make_classifier("1"), make_classifier("2")], sweep((1, 3)), seed=0)) == 2


def test_models_of_other_inputs_are_refused(make_classifier: Any, machine: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"the baseline's input shape \(3, 6, 6\), got \(3, 9, 9\)"):
        time_files([make_classifier("1"), make_classifier("2", side=9)], sweep(), seed=0)
