"""Emulated CPUs: real answers under qemu, and what is said where it cannot run."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import DataError, TargetError, UnknownNameError
from compress_onnx.ort.integer.probe import saturates
from compress_onnx.ort.session import open_session
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.targets import qemu
from compress_onnx.runtime.targets.naming import connect, target_named


@pytest.mark.slow
def test_an_emulated_haswell_saturates_and_answers_otherwise(
    emulated: str, model: Path, ones: NDArray[np.float32]
) -> None:
    """127 and 255 make pairs of 64,770 that stop at 32,767; 40 and 255 make 20,400 that do not."""
    there = connect(target_named(emulated))
    assert there.environment.cpu_saturates
    assert there.environment.cpu_target == "x86-64-avx2"
    assert there.environment.cpu_model == "Haswell"
    assert there.environment.emulator is not None
    assert there.environment.emulator.startswith("qemu-x86_64 ")
    found = there.logits(model, [ones], threads=1, classes=2)
    step = 192 * 255 * 127 / 250
    exact = np.round([192 * 255 * 127 / step, 192 * 255 * 40 / step]) * step
    stopped = np.round([96 * 32767 / step, 192 * 255 * 40 / step]) * step
    np.testing.assert_allclose(found, np.broadcast_to(stopped, (5, 2)), rtol=1e-6)
    here = logits_of(open_session(model), [ones])
    np.testing.assert_allclose(here, np.broadcast_to(stopped if saturates() else exact, (5, 2)), rtol=1e-6)


@pytest.mark.slow
def test_what_the_host_shows_is_not_taken_for_the_guest_and_nothing_is_timed(
    emulated: str, model: Path, ones: NDArray[np.float32]
) -> None:
    there = connect(target_named(emulated))
    assert there.environment.cpu_features == ()
    assert set(there.environment.unknown) >= {"cpu_features", "cpu_governor", "cpu_temperature_c"}
    with pytest.raises(DataError, match=r"Expected a real CPU to time, got qemu-x86_64"):
        there.latencies([model], ones, plan=LatencyPlan(), rng=np.random.default_rng(0))


def test_cpus_are_found_whatever_their_case_and_near_names_are_offered(emulated: str) -> None:
    assert target_named("qemu:skylake-SERVER").cpu_model == "Skylake-Server"
    with pytest.raises(UnknownNameError, match=r"Expected an emulated CPU, got 'haswel' .*Did you mean Haswell"):
        target_named("qemu:haswel")


def test_a_machine_without_qemu_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", "/nowhere")
    for name in ("qemu:haswell", "qemu-aarch64:cortex-a72:/"):
        with pytest.raises(TargetError, match=r"on this machine, got none .*apt-get install qemu-user"):
            target_named(name)


def test_an_arm_machine_cannot_emulate_its_own_python_on_x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(TargetError, match="an x86-64 machine, whose Python can run under qemu-x86_64, got aarch64"):
        target_named("qemu:haswell")


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play a qemu-aarch64 that knows one CPU."""
    monkeypatch.delenv(qemu.ROOT_VARIABLE, raising=False)
    monkeypatch.setattr(qemu.shutil, "which", lambda name: f"/usr/bin/{name}")
    told = {"--version": "qemu-aarch64 version 7.2.22 (Debian)", "-cpu": "Available CPUs:\n  cortex-a72\n"}
    monkeypatch.setattr(qemu, "_said", lambda *command: told[command[1]])
    monkeypatch.setattr(qemu, "cpu_models", qemu.cpu_models.__wrapped__)  # without its cache


def test_an_arm_root_is_named_in_the_target_or_the_environment(
    arm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "usr/bin/python3"
    python.parent.mkdir(parents=True)
    python.touch()
    named = target_named(f"qemu-aarch64:cortex-a72:{tmp_path}")
    assert named.command[1:] == ("-cpu", "cortex-a72", "-L", str(tmp_path), str(python))
    assert (named.emulator, named.timed) == ("qemu-aarch64 7.2.22", False)
    monkeypatch.setenv(qemu.ROOT_VARIABLE, str(tmp_path))
    assert target_named("qemu-aarch64:Cortex-A72").command == named.command


def test_an_arm_target_needs_a_root_with_python(arm: None, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"a root folder with an ARM Python, got none .*COMPRESS_ONNX_TARGET_ROOT"):
        target_named("qemu-aarch64:cortex-a72")
    with pytest.raises(TargetError, match="got no folder"):
        target_named(f"qemu-aarch64:cortex-a72:{tmp_path / 'none'}")
    with pytest.raises(TargetError, match=r"a root folder with usr/local/bin/python3 or usr/bin/python3, got none"):
        target_named(f"qemu-aarch64:cortex-a72:{tmp_path}")
