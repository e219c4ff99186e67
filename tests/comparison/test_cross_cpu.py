"""The same files on another CPU, imagined and real: counted by hand, and refused where it must be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.comparison import cross_cpu as elsewhere
from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import named_models
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.stages import compare_models
from compress_onnx.errors import ModelError, TargetError, UnknownNameError, WorkerError
from compress_onnx.gate.measured import measures
from compress_onnx.records.run import RunRecord
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.runtime.cpu.machine import environment
from compress_onnx.runtime.targets.session import ConnectedTarget
from compress_onnx.runtime.targets.simulated import SimulatedCpu
from compress_onnx.runtime.targets.target import Target
from compress_onnx.store.predictions import load_predictions
from compress_onnx.store.run import load_run

Compare = Callable[..., RunRecord]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Imagined(ConnectedTarget):
    """A CPU that adds to every logit of the candidate what it is told to."""

    added: NDArray[np.float32]
    timed: list[Any]

    def logits(self, model: Any, batches: Iterable[Any], *, threads: int, classes: int) -> NDArray[np.float32]:
        inputs = np.concatenate(list(batches))
        here = inputs.mean(axis=(2, 3)).astype(np.float32)
        assert here.shape[1] == classes
        return here + (self.added[: len(here)] if model.where.stem == "other" else 0)

    def latencies(self, models: Any, images: Any, *, plan: LatencyPlan, rng: Any) -> Any:
        self.timed.append([model.where for model in models])
        raise WorkerError("an answer", "none", where=self.target.name)


@pytest.fixture
def compare(tmp_path: Path, started: datetime, make_classifier: Any, make_images: Any) -> Compare:
    images = make_images()
    entries = named_models([make_classifier("base"), make_classifier("other")])

    def run(**changes: Any) -> RunRecord:
        job = Job(
            models=entries,
            images=images,
            options=CompareOptions(**changes),
            folder=tmp_path / "run",
            command=("compress-onnx", "compare"),
            started_at=started,
        )
        return compare_models(job)

    return run


@pytest.fixture
def imagine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Imagined]:
    """Put an imagined CPU in the place of the named one."""

    def put(added: NDArray[Any] | None = None, *, emulator: str | None = None, timed: bool = False) -> Imagined:
        target = Target(name="there", command=("none",), emulator=emulator, timed=timed)
        found = Imagined(
            target=target,
            environment=dataclasses.replace(environment(), cpu_model="another CPU", emulator=emulator),
            added=np.zeros((90, 3), np.float32) if added is None else added.astype(np.float32),
            timed=[],
        )
        monkeypatch.setattr(elsewhere, "target_named", lambda name: target)
        monkeypatch.setattr(elsewhere, "connect", lambda _: found)
        return found

    return put


def test_cross_cpu_flips_are_those_of_one_file_and_counted_by_kind(
    compare: Compare, imagine: Any, tmp_path: Path, make_images: Any
) -> None:
    rng = np.random.default_rng(0)
    added = rng.normal(0, 0.5, (90, 3))
    imagine(added, emulator="qemu 7.2")
    (found,) = compare(target="there").comparisons
    labels = make_images().labels
    here = load_predictions(tmp_path / "run/predictions/other.npz").logits
    before, after = here.argmax(axis=1), (here + added.astype(np.float32)).argmax(axis=1)
    cross = found.cross_cpu
    assert cross is not None
    assert cross.flips.flips == np.sum(before != after) > 0
    assert cross.flips.negative == np.sum((before == labels) & (after != labels)) > 0
    assert cross.flips.positive == np.sum((before != labels) & (after == labels))
    assert cross.accuracy.value == pytest.approx(np.mean(after == labels))
    assert cross.accuracy_change.value == pytest.approx(np.mean(after == labels) - np.mean(before == labels))
    assert cross.max_logit_difference.value == pytest.approx(np.abs(added).max(), rel=1e-3)
    assert found.flips.flips == 0
    assert cross.baseline.flips.flips == 0
    assert cross.environment.cpu_model == "another CPU"
    assert load_run(tmp_path / "run").comparisons[0].cross_cpu == cross


def test_a_gate_can_bound_them(compare: Compare, imagine: Any) -> None:
    imagine(np.tile([0, 0, 100.0], (90, 1)))
    (found,) = compare(target="there").comparisons
    assert found.cross_cpu is not None
    named = measures(found)
    assert named["cross_cpu.flips.rate"] == found.cross_cpu.flips.rate
    assert named["cross_cpu.baseline.flips.rate"].value == 0.0


def test_the_times_of_an_emulator_are_never_taken(compare: Compare, imagine: Any) -> None:
    there = imagine(emulator="qemu-x86_64 7.2", timed=True)
    (found,) = compare(target="there", latency=LatencyPlan(rounds=1, calls=2)).comparisons
    assert there.timed == []
    assert found.cross_cpu is not None
    assert found.cross_cpu.latency is None
    assert found.cross_cpu.latency_reason == "emulated by qemu-x86_64 7.2: its times say nothing about the CPU"


def test_a_board_is_timed_where_latency_is_asked_for(compare: Compare, imagine: Any) -> None:
    there = imagine(timed=True)
    (found,) = compare(target="there").comparisons
    assert found.cross_cpu is not None
    assert (found.cross_cpu.latency, found.cross_cpu.latency_reason) == (None, elsewhere.NOT_ASKED)
    with pytest.raises(WorkerError):
        compare(target="there", latency=LatencyPlan(rounds=1, calls=2))
    assert len(there.timed) == 1


def test_a_target_that_is_none_is_known_before_anything_is_written(compare: Compare, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Expected a target, got 'nowhere'"):
        compare(target="nowhere")
    with pytest.raises(TargetError, match=r"a root folder with an ARM Python|qemu-aarch64 on this machine"):
        compare(target=f"qemu-aarch64:cortex-a72:{tmp_path / 'none'}")
    assert not (tmp_path / "run").exists()


def test_this_machine_in_another_process_answers_alike(compare: Compare) -> None:
    record = compare(target="local", latency=LatencyPlan(rounds=1, calls=2))
    (found,) = record.comparisons
    assert found.cross_cpu is not None
    assert found.cross_cpu.flips.rate.value == 0.0
    assert found.cross_cpu.max_logit_difference.value == 0.0
    assert found.cross_cpu.latency_reason == elsewhere.SAME_MACHINE
    assert record.config["target"] == "local"
    assert found.footprint_candidate.resident is not None
    assert found.footprint_candidate.resident.unit == "bytes"


def test_without_a_target_nothing_is_asked(compare: Compare) -> None:
    record = compare()
    assert record.comparisons[0].cross_cpu is None
    assert record.comparisons[0].footprint_candidate.resident is None


def test_a_simulated_cpu_says_so_in_the_record_and_has_no_times(compare: Compare, tmp_path: Path) -> None:
    (found,) = compare(target="simulated:aarch64").comparisons
    cross = found.cross_cpu
    assert cross is not None
    assert cross.simulated
    assert (cross.flips.flips, cross.environment.cpu_target) == (0, "aarch64")
    assert cross.latency_reason == "simulated: it has no times"
    assert load_run(tmp_path / "run").comparisons[0].cross_cpu == cross


def test_a_file_that_cannot_be_simulated_is_refused_before_anything_is_predicted(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ModelError("operators whose integer kernels were measured", "QAttention", where="other.onnx")

    monkeypatch.setattr(SimulatedCpu, "expect_answers", refuse)
    with pytest.raises(ModelError, match="QAttention"):
        compare(target="simulated:aarch64")
    assert not (tmp_path / "run").exists()
