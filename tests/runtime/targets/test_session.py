"""A target that has answered once: its answers are this machine's where it is this machine, and mistakes are said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import DataError, ModelError, WorkerError
from compress_onnx.ort.integer.probe import saturates
from compress_onnx.ort.session import open_session
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.runtime.cpu.machine import cpu_target, environment
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.targets.session import ConnectedTarget, _RemoteSession, connect_by_worker
from compress_onnx.runtime.targets.target import Target

HERE = Target(name="here", command=(sys.executable,))
PLAYED = Target(name="played", command=(sys.executable,), cpu_model="Haswell", emulator="qemu-x86_64 7.2")


@pytest.fixture(scope="module")
def here() -> ConnectedTarget:
    return connect_by_worker(HERE)


def test_a_local_target_is_this_machine_in_a_fresh_process(
    here: ConnectedTarget, model: Path, ones: NDArray[np.float32]
) -> None:
    assert here.environment.cpu_saturates == saturates()
    assert here.environment.cpu_target == cpu_target()
    assert here.environment.emulator is None
    assert here.environment.packages["onnxruntime"] == environment().packages["onnxruntime"]
    assert not here.simulated
    images = np.random.default_rng(0).uniform(size=ones.shape).astype(np.float32)
    expected = logits_of(open_session(model), [images])
    assert len(np.unique(expected)) > 2, "images must differ, or their order does not show"
    np.testing.assert_array_equal(here.logits(model, [images[:3], images[3:]], threads=1, classes=2), expected)


def test_another_number_of_classes_is_a_wrong_shape(
    here: ConnectedTarget, model: Path, ones: NDArray[np.float32]
) -> None:
    with pytest.raises(WorkerError, match=r"Expected 3 logits per image, as here, got 2 \(.*model\.onnx on here\)"):
        here.logits(model, [ones], threads=1, classes=3)


def test_a_model_that_the_target_cannot_load(here: ConnectedTarget, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ModelError, match="a model that ONNX Runtime can run"):
        here.logits(broken, [], threads=1, classes=2)


def test_what_the_host_shows_is_not_taken_for_the_guest() -> None:
    guest = connect_by_worker(PLAYED).environment
    assert (guest.cpu_model, guest.emulator) == ("Haswell", "qemu-x86_64 7.2")
    assert (guest.cpu_features, guest.cpu_quota, guest.cpu_governor, guest.cpu_temperature_c) == ((), None, None, None)
    assert set(guest.unknown) == {"cpu_features", "cpu_quota", "cpu_governor", "cpu_temperature_c"}
    assert guest.cpu_saturates == saturates(), "the probe asks the guest itself"


def test_an_emulated_cpu_is_not_timed(here: ConnectedTarget, model: Path, ones: NDArray[np.float32]) -> None:
    emulated = ConnectedTarget(target=PLAYED, environment=here.environment)
    with pytest.raises(DataError, match=r"Expected a real CPU to time, got qemu-x86_64 7\.2 \(played\)"):
        emulated.latencies([model], ones, plan=LatencyPlan(), rng=np.random.default_rng(0))


@pytest.mark.slow
def test_a_real_one_is_timed_on_any_core_and_without_this_machines_warnings(
    here: ConnectedTarget, model: Path, ones: NDArray[np.float32]
) -> None:
    plan = LatencyPlan(rounds=2, calls=12)
    timings = here.latencies([model, model], ones[:1], plan=plan, rng=np.random.default_rng(0))
    assert (len(timings.runs), timings.cores, timings.warnings) == (2, (), ())
    assert [len(run.values_ms) for run in timings.runs] == [24, 24]


def test_a_target_without_the_libraries_is_refused(tmp_path: Path) -> None:
    bare = Target(name="bare", command=(sys.executable, "-S"))
    with pytest.raises(WorkerError, match=r"Expected NumPy and ONNX Runtime on the target, got .*numpy.* \(bare\)"):
        connect_by_worker(bare)


class Deaf:
    """A worker that answers with one output, whatever is asked."""

    name = "deaf"

    def run(self, feed: Any) -> dict[str, NDArray[np.float32]]:
        return {"logits": np.zeros((1, 2), np.float32)}


def test_an_output_that_is_not_answered_is_named() -> None:
    facts = {"inputs": [["x", "tensor(float)", ["n", 3]]], "outputs": [["logits", "tensor(float)", ["n", 2]]]}
    session = _RemoteSession(Deaf(), facts)
    assert [value.shape for value in session.get_inputs()] == [["n", 3]]
    assert session.get_outputs()[0].name == "logits"
    assert session.run(["logits"], {})[0].shape == (1, 2)
    with pytest.raises(WorkerError, match=r"Expected output 'scores', got none of that name \(deaf\)"):
        session.run(["logits", "scores"], {})
