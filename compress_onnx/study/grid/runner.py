"""A whole study: cells that are not finished yet are run, then timed; finished ones are found by their identity."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

from compress_onnx.errors import CompressOnnxError
from compress_onnx.records import SCHEMA_VERSION, CellFailure, StudyRecord
from compress_onnx.runtime import environment, expect_same_machine
from compress_onnx.store import load_run, save_study
from compress_onnx.study.grid.cell_folders import CellFolder, CellState, cell_folders_of, locked
from compress_onnx.study.grid.spec import Spec
from compress_onnx.study.grid.stages import Failures, StudySetup, run_cells, shares_files, time_cells
from compress_onnx.study.grid.summary import summary_of


class CellError(CompressOnnxError):
    """Some cells of a study did not finish; the others did and are kept."""


def run_study(spec: Spec, root: Path, setup: StudySetup) -> StudyRecord:
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
    folders = cell_folders_of(spec.cells(), root, packages=packages)
    with locked(root):
        failures = _finish(folders, setup)
        record = StudyRecord(
            schema_version=SCHEMA_VERSION,
            started_at=setup.started_at.isoformat(timespec="seconds"),
            command=setup.command,
            packages=packages,
            config=spec.recorded(),
            cells=tuple(
                summary_of(folder.name, folder.identity, folder.cell, load_run(folder.path))
                for folder in folders
                if folder.name not in failures
            ),
            failures=tuple(CellFailure(name=name, reason=failed.reason) for name, failed in failures.items()),
        )
        save_study(record, root)
    _expect_all(failures, root)
    return record


def _expect_all(failures: Failures, root: Path) -> None:
    for failed in failures.values():
        if failed.trace:
            raise RuntimeError(failed.trace)
    if failures:
        raise CellError(
            "all cells to finish",
            "; ".join(f"{name}: {failed.reason}" for name, failed in failures.items()),
            where=root,
            remedy="Mend that and start the study again: finished cells are kept.",
        )


def _finish(folders: Sequence[CellFolder], setup: StudySetup) -> Failures:
    """Run and time what is not finished, long cells first; return what failed, by cell."""
    states = {folder.name: folder.state() for folder in folders}
    # Begun last, a long cell would keep one worker busy while the others have nothing to do.
    by_effort = sorted(folders, key=lambda folder: -folder.effort)
    missing = [folder for folder in by_effort if states[folder.name] is CellState.MISSING]
    timed = [folder for folder in folders if folder.is_timed and states[folder.name] is not CellState.FINISHED]
    if len(missing) < len(folders):
        setup.say(f"{len(folders) - len(missing)} of {len(folders)} cells were there before.")
    if not missing and not timed:
        return {}
    with _closing(setup.open_executor()) as executor:
        if timed:
            getattr(executor, "expect_timing", lambda: None)()
        if timed and shares_files(executor):
            _expect_this_machine(folder for folder in folders if states[folder.name] is CellState.FINISHED)
        failures = run_cells(executor, missing, setup)
        return failures | time_cells(executor, [folder for folder in timed if folder.name not in failures], setup)


def _expect_this_machine(timed: Iterable[CellFolder]) -> None:
    """Refuse to time the rest here if others were timed elsewhere; workers of a cluster are named in the records."""
    for folder in timed:
        record = load_run(folder.path)
        expect_same_machine(environment(), record.timed_on or record.environment, where=folder.path)


@contextlib.contextmanager
def _closing(executor: Executor) -> Iterator[Executor]:
    """Close an executor, at once and with all that runs when something goes wrong or Ctrl-C is pressed."""
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()
