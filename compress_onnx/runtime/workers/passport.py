"""Read a CPU's passport from Linux: name, flags, cores, quota, governor, temperature. Standard library only.

This module is part of the program that is sent to boards, and runs there: it imports nothing that a board may lack.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGES = ("compress-onnx", "numpy", "onnx", "onnxruntime", "torch")
# Sensors of hwmon and thermal zones that sit in the CPU; others are disks, batteries and wireless cards.
_SENSORS = re.compile(r"coretemp|k10temp|zenpower|x86_pkg_temp|cpu|soc|core", re.IGNORECASE)
_ROOT = Path("/")


def read_passport(root: Path = _ROOT) -> dict[str, Any]:
    """Return what the system says of its CPU, as plain data for JSON.

    Keys: ``machine``, ``system``, ``python``, ``packages``, ``cpu_model``, ``flags``, ``cores``
    (that this process may use), ``cpu_quota`` (cores, ``None`` without a limit), ``cpu_governor``,
    ``cpu_temperature_c``, and ``unknown``: why a value is ``None`` or empty, by key. Flags are
    those of ``/proc/cpuinfo``: under user-mode emulation they are the host's. ``root`` holds
    ``proc`` and ``sys``.
    """
    lines = list(_cpuinfo(root))
    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": installed_versions(PACKAGES),
        "cpu_model": _model(lines, root),
        "flags": sorted(set(" ".join(_values(lines, ("flags", "Features"))).split())),
        "cores": usable_cores(),
        "cpu_quota": cpu_quota(root),
        "cpu_governor": governor(root),
        "cpu_temperature_c": temperature_c(root),
    }
    reasons = {
        "flags": "/proc/cpuinfo lists none",
        "cpu_governor": "the system shows no cpufreq",
        "cpu_temperature_c": "no readable sensor of the CPU",
    }
    facts["unknown"] = {key: reason for key, reason in reasons.items() if facts[key] in (None, [])}
    return facts


def usable_cores() -> int:
    """Return how many logical cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed, without importing them.

    >>> installed_versions(("no-such-package",))
    {}
    """
    # A worker that is timed needs no versions: what it does not load does not count as its memory.
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Return how many cores' time the control groups of this process grant, ``None`` without a limit.

    The tightest limit counts, from the process's own group up to the root, in version 2
    (``cpu.max``) and version 1 (``cpu.cfs_quota_us``) alike. Inside a container the path may name
    the host's group: then the mounted root's limit is what there is.
    """
    limits = [limit for folder in _groups(root) if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _groups(root: Path) -> Iterator[Path]:
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [base / controllers, base / "cpu"] if controllers else [base, base / "unified"]
        inside = path.strip("/")
        for mount in mounts:
            yield from (mount / inside, *(mount / part for part in Path(inside).parents), mount)


def _limit(folder: Path) -> float | None:
    whole = _text(folder / "cpu.max").split()
    quota = whole or [_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")]
    numbers = [int(part) for part in quota if re.fullmatch(r"\d+", part)]
    return numbers[0] / numbers[1] if len(numbers) == 2 and numbers[1] else None


def governor(root: Path = _ROOT) -> str | None:
    """Return how the cores' clock is chosen, several joined by commas, ``None`` where unknown."""
    governors = {_text(path) for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")}
    return ",".join(sorted(governors - {""})) or None


def temperature_c(root: Path = _ROOT) -> float | None:
    """Return the hottest CPU sensor in degrees Celsius, ``None`` where none can be read."""
    hwmon = (
        (_text(folder / "name"), path)
        for folder in (root / "sys/class/hwmon").glob("hwmon*")
        for path in folder.glob("temp*_input")
    )
    zones = ((_text(f / "type"), f / "temp") for f in (root / "sys/class/thermal").glob("thermal_zone*"))
    read = [_text(path) for name, path in (*hwmon, *zones) if _SENSORS.search(name)]
    return max((int(text) / 1000 for text in read if re.fullmatch(r"-?\d+", text)), default=None)


def _cpuinfo(root: Path) -> Iterator[tuple[str, str]]:
    for line in _text(root / "proc/cpuinfo").splitlines():
        key, separator, value = line.partition(":")
        if separator:
            yield key.strip(), value.strip()


def _values(lines: Iterable[tuple[str, str]], keys: tuple[str, ...]) -> list[str]:
    return [value for key, value in lines if key in keys]


def _model(lines: list[tuple[str, str]], root: Path) -> str:
    """Return the CPU's name: x86 says it, an ARM board names itself and its core by numbers."""
    named = _values(lines, ("model name",))
    if named:
        return named[0]
    board = _text(root / "proc/device-tree/model").strip("\0")
    numbers = [value[0] for key in ("CPU implementer", "CPU part") if (value := _values(lines, (key,)))]
    core = f"{platform.machine()} {' '.join(numbers)}".strip()
    return f"{board} ({core})" if board else core


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(read_passport()) + "\n")
