from __future__ import annotations

import dataclasses
import platform
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cpuinfo
import pytest

from compress_onnx.errors import MachineError, OptionError
from compress_onnx.options.declared import CPU
from compress_onnx.ort.integer.probe import saturates
from compress_onnx.records.artifacts import Environment
from compress_onnx.runtime.cpu import machine as cpu
from compress_onnx.runtime.cpu.machine import expect_same_machine, machine_differences


@pytest.mark.parametrize(
    ("machine", "saturating", "target"),
    [
        ("x86_64", False, "x86-64-vnni"),
        ("AMD64", True, "x86-64-avx2"),
        ("aarch64", False, "aarch64"),
        ("arm64", False, "aarch64"),
    ],
)
def test_target_follows_machine_and_probe(
    machine: str,
    saturating: bool,  # noqa: FBT001  # a parametrized value
    target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(cpu, "saturates", lambda: saturating)
    assert cpu.cpu_target() == target
    assert target in CPU.choices


def test_unknown_machine_is_asked_to_name_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OptionError, match=r"got 'riscv64'\. Name the target with --cpu x86-64-vnni"):
        cpu.cpu_target()


def test_environment_names_versions_and_no_host() -> None:
    found = cpu.environment()
    assert found.packages["onnxruntime"] == version("onnxruntime")
    assert {"numpy", "onnx"} <= set(found.packages)
    assert found.python == platform.python_version()
    assert found.cores >= 1
    assert found.cpu_target == cpu.cpu_target()
    assert found.cpu_saturates == saturates()
    assert found.cpu_model in cpu.cpu_label()
    assert socket.gethostname() not in found.system
    assert cpu.environment() is found


def test_features_have_one_name_each() -> None:
    assert cpu.named_features(("avx512vnni", "avx512_vnni", "fma", "avx2")) == ("avx2", "avx512_vnni")


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="asks the Linux kernel")
def test_the_kernels_file_says_what_py_cpuinfo_says() -> None:
    slow = cpuinfo.get_cpu_info()
    assert cpu.cpu_model() == slow["brand_raw"]
    assert cpu.cpu_features() == cpu.named_features(slow["flags"])


# -------------------------------------------------------------------------------- one machine or two


HERE = Environment(
    python="3.11",
    system="Linux",
    packages={"onnxruntime": "1.32"},
    cpu_model="a CPU",
    cpu_features=("avx2",),
    cpu_saturates=True,
    cpu_target="x86-64-avx2",
    cores=2,
)


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_model": "another CPU"},
        {"cpu_target": "x86-64-vnni"},
        {"cpu_features": ("avx2", "avx512f")},
        {"cores": 4},
        {"cpu_quota": 0.5},
        {"cpu_governor": "powersave"},
        {"emulator": "qemu"},
    ],
)
def test_another_passport_is_refused_both_ways(change: dict[str, Any]) -> None:
    other = dataclasses.replace(HERE, **change)
    assert len(machine_differences(HERE, other)) == 1
    for pair in ((HERE, other), (other, HERE)):
        with pytest.raises(MachineError, match=r"Expected latencies of one machine, got .* \(a run\)\. Measure both"):
            expect_same_machine(*pair, where="a run")


@pytest.mark.parametrize(
    "change", [{"cpu_temperature_c": 70.0}, {"packages": {}}, {"python": "3.12"}, {"unknown": {"a": "b"}}]
)
def test_what_varies_on_one_machine_is_no_difference(change: dict[str, Any]) -> None:
    expect_same_machine(HERE, dataclasses.replace(HERE, **change))


def test_latencies_of_an_emulator_are_refused_even_among_themselves() -> None:
    emulated = dataclasses.replace(HERE, emulator="qemu-x86_64 7.2")
    with pytest.raises(MachineError, match=r"got those of qemu-x86_64 7\.2"):
        expect_same_machine(emulated, emulated)
