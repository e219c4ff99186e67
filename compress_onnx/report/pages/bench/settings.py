"""A ``bench`` record setting by setting, and what makes its numbers doubtful, the same on terminal and page."""

from __future__ import annotations

from pathlib import PurePath
from typing import TypeAlias

from compress_onnx.records import BenchRecord, LatencyComparison, LatencyRun
from compress_onnx.report.sections import spoken_setting

SettingRuns: TypeAlias = tuple[LatencyComparison, ...]


def names_of(record: BenchRecord) -> list[str]:
    """Return the models' file names without folder and ending, baseline first."""
    return [PurePath(model).stem for model in record.models]


def settings_of(record: BenchRecord) -> list[SettingRuns]:
    """Return the comparisons of each setting together, one per candidate."""
    width = len(record.models) - 1
    return [record.latency[start : start + width] for start in range(0, len(record.latency), width)]


def runs_of(setting: SettingRuns) -> tuple[LatencyRun, ...]:
    """Return the runs of one setting, baseline first."""
    return (setting[0].baseline, *(comparison.candidate for comparison in setting))


def warnings_of(record: BenchRecord) -> tuple[str, ...]:
    """Return what makes the numbers doubtful, each once, with the models' names."""
    names = names_of(record)
    warnings = []
    for setting in settings_of(record):
        where = f" ({spoken_setting(setting[0])})" if len(record.latency) > len(setting) else ""
        for name, comparison in zip(names[1:], setting, strict=True):
            own = {"baseline": names[0], "candidate": name}
            for warning in comparison.warnings:
                who, colon, what = warning.partition(": ")
                warnings.append(f"{own[who]}: {what}{where}" if colon and who in own else warning)
    return tuple(dict.fromkeys(warnings))
