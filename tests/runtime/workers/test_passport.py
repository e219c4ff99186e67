"""The passport from made-up system folders, and that it runs where only Python is installed."""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from compress_onnx.runtime.workers import passport
from compress_onnx.runtime.workers.passport import cpu_quota, governor, read_passport, temperature_c


def system(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 0.5),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "200000 100000\n"}, 2.0),
        ("0::/hosts/own/name\n", {"cpu.max": "100000 100000\n"}, 1.0),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "25000", "cpu,cpuacct/x/cpu.cfs_period_us": "1000"},
            25,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("4:memory:/\n", {"memory/cpu.max": "1 2"}, None),
        ("", {}, None),
    ],
)
def test_the_tightest_control_group_is_the_quota(
    groups: str, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    root = system(tmp_path, **{"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{n}": text for n, text in files.items()}})
    assert cpu_quota(root) == quota


def test_several_governors_are_all_named_and_none_is_none(tmp_path: Path) -> None:
    assert governor(tmp_path) is None
    cores = {f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_governor": g for n, g in enumerate(["powersave"] * 2)}
    assert governor(system(tmp_path, **cores)) == "powersave"
    system(tmp_path, **{"sys/devices/system/cpu/cpu2/cpufreq/scaling_governor": "performance\n"})
    assert governor(tmp_path) == "performance,powersave"


def test_the_hottest_sensor_of_the_cpu_counts_and_the_disk_does_not(tmp_path: Path) -> None:
    assert temperature_c(tmp_path) is None
    files = {
        "sys/class/hwmon/hwmon0/name": "nvme",
        "sys/class/hwmon/hwmon0/temp1_input": "90000",
        "sys/class/hwmon/hwmon1/name": "coretemp",
        "sys/class/hwmon/hwmon1/temp1_input": "51000",
        "sys/class/hwmon/hwmon1/temp2_input": "not read",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone0/temp": "48250",
    }
    assert temperature_c(system(tmp_path, **files)) == 51.0


@pytest.mark.parametrize(
    ("cpuinfo", "board", "model", "flags"),
    [
        ("model name\t: An x86 CPU\nflags\t\t: avx2 avx512_vnni\n", "", "An x86 CPU", ["avx2", "avx512_vnni"]),
        (
            "Features\t: fp asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n",
            "A Board 4 B\0",
            "A Board 4 B ({machine} 0x41 0xd08)",
            ["asimddp", "fp"],
        ),
        ("", "", "{machine}", []),
    ],
)
def test_a_cpu_is_named_as_well_as_the_system_can(
    cpuinfo: str, board: str, model: str, flags: list[str], tmp_path: Path
) -> None:
    found = read_passport(system(tmp_path, **{"proc/cpuinfo": cpuinfo, "proc/device-tree/model": board}))
    assert found["cpu_model"] == model.format(machine=platform.machine())
    assert found["flags"] == flags
    assert ("flags" in found["unknown"]) == (not flags)


def test_what_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    found = read_passport(tmp_path)
    assert found["cpu_governor"] is found["cpu_temperature_c"] is found["cpu_quota"] is None
    assert {"cpu_governor", "cpu_temperature_c", "flags"} == set(found["unknown"])


def test_it_runs_alone_under_a_bare_python() -> None:
    """Copied to a board it has neither this package nor numpy beside it: -I -S hides both."""
    source = Path(passport.__file__)
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", str(source)], capture_output=True, text=True, check=True
    )
    assert json.loads(answer.stdout)["cores"] == len(os.sched_getaffinity(0))
    imports = [
        node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
