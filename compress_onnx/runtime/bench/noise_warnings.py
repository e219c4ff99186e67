"""What disturbs timing on this machine: crowded cores, quotas, throttling, and calls that vary."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from compress_onnx.runtime.cpu import core_numbers
from compress_onnx.runtime.workers import cpu_quota

# pyperf warns from a tenth on.
_UNSTABLE = 0.1
_CGROUP = Path("/sys/fs/cgroup")
_CORES = Path("/sys/devices/system/cpu")


def machine_warnings(threads: int) -> tuple[str, ...]:
    """Return what speaks against measuring on this machine now; ask before measuring."""
    return (
        *crowding_warnings(threads, cores=len(core_numbers()), load=psutil.getloadavg()[0]),
        *quota_warnings(threads, quota=cpu_quota()),
    )


def crowding_warnings(threads: int, *, cores: int, load: float) -> tuple[str, ...]:
    """Return why threads have to wait for cores, if they have to; ``load`` is the 1-minute average.

    >>> crowding_warnings(1, cores=4, load=0.5)
    ()
    >>> crowding_warnings(8, cores=4, load=0.5)
    ('8 threads on 4 usable cores: threads wait for one another',)
    """
    warnings = []
    if threads > cores:
        warnings.append(f"{threads} threads on {cores} usable cores: threads wait for one another")
    if load > cores:
        warnings.append(f"load average {load:.1f} on {cores} usable cores: other work disturbs the timing")
    return tuple(warnings)


def quota_warnings(threads: int, *, quota: float | None) -> tuple[str, ...]:
    """Return why the process group's share of the CPU is too small for the threads, if it is.

    ``quota`` is in cores; ``None`` where nothing limits it.

    >>> quota_warnings(2, quota=1.5)
    ('a quota of 1.5 cores for 2 threads (cgroup): the system stops them in between',)
    """
    if quota is None or quota >= threads:
        return ()
    return (f"a quota of {quota:g} cores for {threads} threads (cgroup): the system stops them in between",)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """How often the system has stopped this group, and the hardware slowed its cores down, so far."""

    stopped: int
    slowed: int


def throttling(cgroup: Path = _CGROUP, cores: Path = _CORES) -> Throttling:
    """Read the counters; 0 where the system has none."""
    fields = dict(line.split()[:2] for line in _text(cgroup / "cpu.stat").splitlines() if len(line.split()) > 1)
    counts = [_number(_text(file)) for file in sorted(cores.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))]
    return Throttling(stopped=_number(fields.get("nr_throttled", "")), slowed=sum(counts))


def throttling_warnings(before: Throttling, after: Throttling) -> tuple[str, ...]:
    """Return a warning for each counter that rose while measuring.

    >>> throttling_warnings(Throttling(stopped=1, slowed=0), Throttling(stopped=4, slowed=0))
    ('the system stopped this process group 3 times while timing: its CPU quota was used up',)
    """
    warnings = []
    if after.stopped > before.stopped:
        times = after.stopped - before.stopped
        warnings.append(f"the system stopped this process group {times} times while timing: its CPU quota was used up")
    if after.slowed > before.slowed:
        warnings.append(f"the CPU was throttled {after.slowed - before.slowed} times while timing: it is too hot")
    return tuple(warnings)


def spread_warnings(name: str, values_ms: Sequence[float]) -> tuple[str, ...]:
    """Return a warning if the standard deviation reaches a tenth of the mean.

    >>> spread_warnings("baseline", [1.0, 1.0, 1.0])
    ()
    >>> spread_warnings("baseline", [1.0, 2.0])
    ('baseline: standard deviation is 47 % of the mean: timing is unstable',)
    """
    mean = float(np.mean(values_ms)) if len(values_ms) else 0.0
    deviation = float(np.std(values_ms, ddof=1)) if len(values_ms) > 1 else 0.0
    if mean <= 0 or deviation < _UNSTABLE * mean:
        return ()
    return (f"{name}: standard deviation is {100 * deviation / mean:.0f} % of the mean: timing is unstable",)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0
