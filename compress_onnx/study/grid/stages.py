"""The two stages of a study through an executor: every missing cell is run, then files are timed where nothing else runs."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path

from compress_onnx.compare import write_report
from compress_onnx.options import Stages, silent_stages
from compress_onnx.records import RunRecord
from compress_onnx.store import load_run, save_run
from compress_onnx.study.execute import (
    Answer,
    CellTask,
    Done,
    Driver,
    Failed,
    TimingResult,
    TimingTask,
    WorkerRequirements,
    bundle,
    unpacked,
)
from compress_onnx.study.grid.cell_folders import CellFolder, CellState, manifest_files, model_files

Install = Callable[[CellFolder, Done], None]
Failures = dict[str, Failed]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StudySetup:
    """How a study runs: ``open_executor`` gives what runs cells; ``say`` tells a person what happens."""

    command: tuple[str, ...]
    started_at: datetime
    open_executor: Callable[[], Executor]
    say: Callable[[str], None]
    stages: Stages = silent_stages


def run_cells(executor: Executor, folders: Sequence[CellFolder], setup: StudySetup) -> Failures:
    """Run each cell and move its folder into place; return what failed, by cell."""
    asides = {folder.name: folder.aside() for folder in folders}

    def install(folder: CellFolder, done: Done) -> None:
        if done.files is not None:
            unpacked(done.files, asides[folder.name])
        folder.install(asides[folder.name])

    threads = executor.threads_for(len(folders)) if hasattr(executor, "threads_for") else 1
    tasks = [
        _cell_task(folder, setup.command, target=asides[folder.name], threads=threads, shared=shares_files(executor))
        for folder in folders
    ]
    driver = Driver(executor, slots=getattr(executor, "slots", None), say=setup.say)
    return _installed(driver.answers(tasks), folders, install, _CellProgress(setup, "cells", folders))


def _cell_task(folder: CellFolder, command: tuple[str, ...], *, target: Path, threads: int, shared: bool) -> CellTask:
    return CellTask(
        name=folder.name,
        cell=folder.cell,
        command=command,
        model=bundle(model_files(folder.cell), shared=shared),
        manifests=bundle(manifest_files(folder.cell), shared=shared),
        requirements=folder.requirements,
        target=str(target.resolve()) if shared else None,
        threads=threads,
    )


def time_cells(executor: Executor, folders: Sequence[CellFolder], setup: StudySetup) -> Failures:
    """Time each cell's files where nothing else runs."""
    if not folders:
        return {}

    def install(folder: CellFolder, done: Done) -> None:
        assert done.timed is not None  # noqa: S101  # what a timing task answers
        save_run(with_timing(load_run(folder.path), done.timed), folder.path)
        write_report(folder.path)
        folder.mark(folder.path, CellState.FINISHED)

    alone = getattr(executor, "timing", lambda: contextlib.nullcontext(executor))
    with alone() as timer:
        tasks = [_timing_task(folder, shared=shares_files(executor)) for folder in folders]
        driver = Driver(timer, slots=1 if timer is executor else getattr(timer, "slots", 1), say=setup.say)
        return _installed(driver.answers(tasks), folders, install, _CellProgress(setup, "timing", folders))


def shares_files(executor: Executor) -> bool:
    """Tell whether the executor's workers see this machine's files."""
    return bool(getattr(executor, "shares_files", False))


def _timing_task(folder: CellFolder, *, shared: bool) -> TimingTask:
    record = load_run(folder.path)
    plan = folder.cell.options.latency
    assert plan is not None  # noqa: S101  # only timed cells come here
    files = {Path(artifact.path).name: folder.path / artifact.path for artifact in record.artifacts}
    return TimingTask(
        name=folder.name,
        files=bundle(files, shared=shared),
        plan=plan,
        seed=folder.cell.options.seed,
        requirements=WorkerRequirements(packages=folder.requirements.packages, data={}),
    )


def with_timing(record: RunRecord, timed: TimingResult) -> RunRecord:
    """Return a cell's record with what timing its files measured."""
    first, *others = timed.resident
    comparisons = tuple(
        dataclasses.replace(
            comparison,
            latency=latency,
            footprint_baseline=dataclasses.replace(comparison.footprint_baseline, resident=first),
            footprint_candidate=dataclasses.replace(comparison.footprint_candidate, resident=own),
        )
        for comparison, latency, own in zip(record.comparisons, timed.latency, others, strict=True)
    )
    return dataclasses.replace(record, comparisons=comparisons, timed_on=timed.machine)


class _CellProgress:
    """Tells how many cells are done and about how long the others will take."""

    def __init__(self, setup: StudySetup, stage: str, folders: Sequence[CellFolder]) -> None:
        self._say, self._progress = setup.say, setup.stages(stage)
        self._waiting = {folder.name: folder.effort for folder in folders}
        self._count, self._total, self._begin = len(folders), sum(self._waiting.values()), time.monotonic()
        self._progress(0.0, f"0 of {self._count}")

    def __call__(self, name: str, ending: str) -> None:
        del self._waiting[name]
        done = f"{self._count - len(self._waiting)} of {self._count}: {name}"
        fraction = 1 - sum(self._waiting.values()) / self._total
        self._progress(fraction, done)
        self._say(f"{done} {ending}{time_left(time.monotonic() - self._begin, fraction)}.")


def time_left(spent_s: float, fraction: float) -> str:
    """Say about how long the rest will take if it goes on like this; nothing where nothing is left.

    >>> time_left(60, 1 / 3), time_left(30, 0.5), time_left(9, 1.0)
    (', about 2 min left', ', about 30 s left', '')
    """
    rest = spent_s / fraction * (1 - fraction)
    if fraction == 1:
        return ""
    return f", about {rest:.0f} s left" if rest < 60 else f", about {rest / 60:.0f} min left"


def _installed(
    answers: Iterable[Answer], folders: Sequence[CellFolder], install: Install, progress: _CellProgress
) -> Failures:
    """Put every outcome in its place as it comes; return the failures in the order of the cells."""
    by_name = {folder.name: folder for folder in folders}
    failures: Failures = {}
    for task, outcome in answers:
        if isinstance(outcome, Failed):
            failures[task.name] = outcome
            progress(task.name, f"failed: {outcome.reason.rstrip('.')}")
        else:
            install(by_name[task.name], outcome)
            progress(task.name, "done")
    return {name: failures[name] for name in by_name if name in failures}
