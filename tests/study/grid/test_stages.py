"""Cells run, then files timed: in which order, on which machine, and what a failure costs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.errors import MachineError
from compress_onnx.records.study import StudyRecord
from compress_onnx.runtime.cpu.machine import environment
from compress_onnx.store import load_run, without_times
from compress_onnx.study.execute import tasks
from compress_onnx.study.grid import cell_folders, runner

RunStudy = Callable[..., StudyRecord]


def test_long_cells_begin_first_and_stand_in_the_specifications_order(
    study: RunStudy, ran: list[str], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_folders.CellFolder, "effort", property(lambda folder: 1 + 3 * folder.cell.options.seed))
    record = study()
    assert ran == ["lenet5-digits-seed1", "lenet5-digits-seed0"]
    assert [cell.name for cell in record.cells] == ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    # Both run at a time: either may end first.
    assert re.fullmatch(r"1 of 2: lenet5-digits-seed[01] done, about \d+ (s|min) left\.", said[0])
    assert re.fullmatch(r"2 of 2: lenet5-digits-seed[01] done\.", said[1])


def test_files_that_travel_give_the_same_record_as_shared_ones(
    study: RunStudy, traveling: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = study()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "worker"))
    traveled = study("other", executor=traveling)
    assert without_times(traveled) == without_times(shared)
    for cell in shared.cells:
        here, there = (tmp_path / out / cell.name for out in ("out", "other"))
        assert {p.relative_to(here) for p in here.rglob("*")} == {p.relative_to(there) for p in there.rglob("*")}
        assert without_times(load_run(here)) == without_times(load_run(there))


def test_files_are_timed_after_all_cells_and_an_untimed_cell_is_only_timed(
    study: RunStudy, ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = _timed_quickly(monkeypatch, ends_at=2)
    with pytest.raises(KeyboardInterrupt):
        study(latency=True)
    assert ran == ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    assert timed == [["lenet5-digits.onnx", "prune0.5.onnx"]] * 2
    record = study(latency=True)
    assert ran == []
    assert len(timed) == 3
    for cell in record.cells:
        run = load_run(tmp_path / "out" / cell.name)
        (comparison,) = run.comparisons
        assert comparison.latency is not None
        assert comparison.footprint_baseline.resident is not None
        assert comparison.footprint_candidate.resident is not None
        assert run.timed_on == run.environment
        (candidate,) = cell.candidates
        assert candidate.latency is not None
        assert candidate.latency.cpu == cell.cpu
        assert candidate.latency.speedup == comparison.latency.speedup
    assert study(latency=True) == record
    assert len(timed) == 3


def _timed_quickly(monkeypatch: pytest.MonkeyPatch, *, ends_at: int) -> list[list[str]]:
    """Time few calls, and stop as Ctrl-C does in the given one; the list fills with what is timed."""
    timed: list[list[str]] = []
    time_files = tasks.time_files

    def stopwatch(paths: Any, sweep: Any, *, seed: int) -> Any:
        timed.append([path.name for path in paths])
        if len(timed) == ends_at:
            raise KeyboardInterrupt
        plan = dataclasses.replace(sweep.plan, rounds=2, calls=3)
        return time_files(paths, dataclasses.replace(sweep, plan=plan), seed=seed)

    monkeypatch.setattr(tasks, "time_files", stopwatch)
    return timed


def test_the_rest_is_timed_only_on_the_machine_that_timed_the_others(
    study: RunStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    _timed_quickly(monkeypatch, ends_at=2)
    with pytest.raises(KeyboardInterrupt):
        study(latency=True)
    with monkeypatch.context() as patch:
        other = dataclasses.replace(environment(), cpu_model="another CPU")
        patch.setattr(runner, "environment", lambda: other)
        with pytest.raises(MachineError, match=r"Expected latencies of one machine, got CPU another CPU and .*seed0\)"):
            study(latency=True)
        study(latency=False)  # where nothing is timed, nothing is mixed
