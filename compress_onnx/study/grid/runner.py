"""A whole study: cells that are not finished yet are run, then timed; finished ones are found by their identity."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path

from compress_onnx.compare import write_report
from compress_onnx.errors import CompressOnnxError
from compress_onnx.options import Stages, silent_stages
from compress_onnx.records import SCHEMA_VERSION, CellFailure, RunRecord, StudyRecord
from compress_onnx.runtime import environment, expect_same_machine
from compress_onnx.store import load_run, save_run, save_study
from compress_onnx.study.execute import (
    Answer,
    CellTask,
    Done,
    Driver,
    Failed,
    Terms,
    Timed,
    TimingTask,
    bundle,
    unpacked,
)
from compress_onnx.study.grid.cell_folders import Place, State, locked, manifest_files, model_files, places_of
from compress_onnx.study.grid.spec import Spec
from compress_onnx.study.grid.summary import summary_of

Install = Callable[[Place, Done], None]
Failures = dict[str, Failed]


class CellError(CompressOnnxError):
    """Some cells of a study did not finish; the others did and are kept."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a study runs: ``open_executor`` gives what runs cells; ``say`` tells a person what happens."""

    command: tuple[str, ...]
    started_at: datetime
    open_executor: Callable[[], Executor]
    say: Callable[[str], None]
    stages: Stages = silent_stages


def run_study(spec: Spec, folder: Path, setting: Setting) -> StudyRecord:
    """Run what is missing of a study and write ``study.json``; each cell has its own folder with record and report.

    Whatever ends this early (Ctrl-C, a crash, a full disk) loses the running cells only: started
    again, it goes on. Files are timed after all cells, when nothing else runs.

    Errors
    ------
    CellError
        if cells failed; the others are finished and stand in the summary.
    OutputError
        if the folder cannot be written, or another study is filling it.
    MachineError
        if cells are left to be timed on this machine and others were timed on another one.
    """
    packages = environment().packages
    places = places_of(spec.cells(), folder, packages=packages)
    with locked(folder):
        failures = _finish(places, setting)
        record = StudyRecord(
            schema_version=SCHEMA_VERSION,
            started_at=setting.started_at.isoformat(timespec="seconds"),
            command=setting.command,
            packages=packages,
            config=spec.recorded(),
            cells=tuple(
                summary_of(place.name, place.identity, place.cell, load_run(place.folder))
                for place in places
                if place.name not in failures
            ),
            failures=tuple(CellFailure(name=name, reason=failed.reason) for name, failed in failures.items()),
        )
        save_study(record, folder)
    _expect_all(failures, folder)
    return record


def _expect_all(failures: Failures, folder: Path) -> None:
    for failed in failures.values():
        if failed.trace:
            raise RuntimeError(failed.trace)
    if failures:
        raise CellError(
            "all cells to finish",
            "; ".join(f"{name}: {failed.reason}" for name, failed in failures.items()),
            where=folder,
            remedy="Mend that and start the study again: finished cells are kept.",
        )


def _finish(places: Sequence[Place], setting: Setting) -> Failures:
    """Run and time what is not finished, long cells first; return what failed, by cell."""
    states = {place.name: place.state() for place in places}
    # Begun last, a long cell would keep one worker busy while the others have nothing to do.
    by_effort = sorted(places, key=lambda place: -place.effort)
    missing = [place for place in by_effort if states[place.name] is State.MISSING]
    timed = [place for place in places if place.is_timed and states[place.name] is not State.FINISHED]
    if len(missing) < len(places):
        setting.say(f"{len(places) - len(missing)} of {len(places)} cells were there before.")
    if not missing and not timed:
        return {}
    with _closing(setting.open_executor()) as executor:
        if timed:
            getattr(executor, "expect_timing", lambda: None)()
        if timed and _shares(executor):
            _expect_this_machine(place for place in places if states[place.name] is State.FINISHED)
        failures = _run_cells(executor, missing, setting)
        return failures | _time_cells(executor, [place for place in timed if place.name not in failures], setting)


def _expect_this_machine(timed: Iterable[Place]) -> None:
    """Refuse to time the rest here if others were timed elsewhere; workers of a cluster are named in the records."""
    for place in timed:
        record = load_run(place.folder)
        expect_same_machine(environment(), record.timed_on or record.environment, where=place.folder)


@contextlib.contextmanager
def _closing(executor: Executor) -> Iterator[Executor]:
    """Close an executor, at once and with all that runs when something goes wrong or Ctrl-C is pressed."""
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def _run_cells(executor: Executor, places: Sequence[Place], setting: Setting) -> Failures:
    asides = {place.name: place.aside() for place in places}

    def install(place: Place, done: Done) -> None:
        if done.files is not None:
            unpacked(done.files, asides[place.name])
        place.install(asides[place.name])

    threads = executor.threads_for(len(places)) if hasattr(executor, "threads_for") else 1
    tasks = [
        CellTask(
            name=place.name,
            cell=place.cell,
            command=setting.command,
            model=bundle(model_files(place.cell), shared=_shares(executor)),
            manifests=bundle(manifest_files(place.cell), shared=_shares(executor)),
            terms=place.terms,
            target=str(asides[place.name].resolve()) if _shares(executor) else None,
            threads=threads,
        )
        for place in places
    ]
    driver = Driver(executor, slots=getattr(executor, "slots", None), say=setting.say)
    return _installed(driver.answers(tasks), places, install, _Told(setting, "cells", places))


def _time_cells(executor: Executor, places: Sequence[Place], setting: Setting) -> Failures:
    """Time each cell's files where nothing else runs."""
    if not places:
        return {}

    def install(place: Place, done: Done) -> None:
        assert done.timed is not None  # noqa: S101  # what a timing task answers
        save_run(with_timing(load_run(place.folder), done.timed), place.folder)
        write_report(place.folder)
        place.mark(place.folder, State.FINISHED)

    alone = getattr(executor, "timing", lambda: contextlib.nullcontext(executor))
    with alone() as timer:
        tasks = [_timing_task(place, shared=_shares(executor)) for place in places]
        driver = Driver(timer, slots=1 if timer is executor else getattr(timer, "slots", 1), say=setting.say)
        return _installed(driver.answers(tasks), places, install, _Told(setting, "timing", places))


def _shares(executor: Executor) -> bool:
    return bool(getattr(executor, "shares_files", False))


def _timing_task(place: Place, *, shared: bool) -> TimingTask:
    record = load_run(place.folder)
    plan = place.cell.options.latency
    assert plan is not None  # noqa: S101  # only timed cells come here
    files = {Path(artifact.path).name: place.folder / artifact.path for artifact in record.artifacts}
    return TimingTask(
        name=place.name,
        files=bundle(files, shared=shared),
        plan=plan,
        seed=place.cell.options.seed,
        terms=Terms(packages=place.terms.packages, data={}),
    )


def with_timing(record: RunRecord, timed: Timed) -> RunRecord:
    """Return a cell's record with what timing its files found."""
    first, *others = timed.resident
    comparisons = tuple(
        dataclasses.replace(
            found,
            latency=latency,
            footprint_baseline=dataclasses.replace(found.footprint_baseline, resident=first),
            footprint_candidate=dataclasses.replace(found.footprint_candidate, resident=own),
        )
        for found, latency, own in zip(record.comparisons, timed.latency, others, strict=True)
    )
    return dataclasses.replace(record, comparisons=comparisons, timed_on=timed.machine)


class _Told:
    """Tells how many cells are done and about how long the others will take."""

    def __init__(self, setting: Setting, stage: str, places: Sequence[Place]) -> None:
        self._say, self._progress = setting.say, setting.stages(stage)
        self._waiting = {place.name: place.effort for place in places}
        self._count, self._total, self._begin = len(places), sum(self._waiting.values()), time.monotonic()
        self._progress(0.0, f"0 of {self._count}")

    def __call__(self, name: str, ending: str) -> None:
        del self._waiting[name]
        done = f"{self._count - len(self._waiting)} of {self._count}: {name}"
        fraction = 1 - sum(self._waiting.values()) / self._total
        self._progress(fraction, done)
        self._say(f"{done} {ending}{left(time.monotonic() - self._begin, fraction)}.")


def left(spent_s: float, fraction: float) -> str:
    """Say about how long the rest will take if it goes on like this; nothing where nothing is left.

    >>> left(60, 1 / 3), left(30, 0.5), left(9, 1.0)
    (', about 2 min left', ', about 30 s left', '')
    """
    rest = spent_s / fraction * (1 - fraction)
    if fraction == 1:
        return ""
    return f", about {rest:.0f} s left" if rest < 60 else f", about {rest / 60:.0f} min left"


def _installed(answers: Iterable[Answer], places: Sequence[Place], install: Install, told: _Told) -> Failures:
    """Put every outcome in its place as it comes; return the failures in the order of the cells."""
    by_name = {place.name: place for place in places}
    failures: Failures = {}
    for task, outcome in answers:
        if isinstance(outcome, Failed):
            failures[task.name] = outcome
            told(task.name, f"failed: {outcome.reason.rstrip('.')}")
        else:
            install(by_name[task.name], outcome)
            told(task.name, "done")
    return {name: failures[name] for name in by_name if name in failures}
