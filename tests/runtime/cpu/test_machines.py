"""Two machines' latencies are never compared, and the refusal says why."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.errors import MachineError
from compress_onnx.records.artifacts import Environment
from compress_onnx.runtime.cpu.machines import expect_same_machine, machine_differences

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
