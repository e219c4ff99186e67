from __future__ import annotations

import platform
import socket
from importlib.metadata import version
from pathlib import Path

import cpuinfo
import pytest

from compress_onnx.errors import OptionError
from compress_onnx.options.declared import CPU
from compress_onnx.ort.integer.probe import saturates
from compress_onnx.runtime.cpu.environment import environment as cpu


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
