"""What is sent to a worker, what the worker does, and what it answers; nothing here raises across the wire."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from compress_onnx.compare import Sweep, time_files, write_report
from compress_onnx.data import load_data
from compress_onnx.errors import CompressOnnxError
from compress_onnx.records import Environment, LatencyComparison, Measure
from compress_onnx.runtime import LatencyPlan, environment, memory_after_load
from compress_onnx.store import save_run
from compress_onnx.study.cells import CellRun, StudyCell, run_cell
from compress_onnx.study.execute.threads import on_one_thread
from compress_onnx.study.execute.transfer import Bundle, Contents, packed, store_contents

worker_name: ContextVar[str] = ContextVar("worker_name", default="")
"""The name of this worker, where the executor gives it one."""


class UnfitWorkerError(CompressOnnxError):
    """The worker lacks the data or has other packages; another worker may do."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequirements:
    """What a worker must have: package versions, and data by name (``gtsrb:test``) with its hash."""

    packages: dict[str, str]
    data: dict[str, str]

    def check(self, here: Mapping[str, str]) -> None:
        """Raise :class:`UnfitWorkerError` unless a worker with these packages, this one, is fit."""
        for name, version in self.packages.items():
            if here.get(name) != version:
                raise UnfitWorkerError(f"{name} {version}, as the client has", here.get(name) or "none")
        for name, wanted in self.data.items():
            try:
                sha256 = data_sha256(name)
            except CompressOnnxError as error:
                raise UnfitWorkerError(f"the data {name}", f"this: {str(error).rstrip('.')}") from error
            if sha256 != wanted:
                raise UnfitWorkerError(f"{name} with hash {wanted[:12]}, as the client has", sha256[:12])


def data_sha256(name: str) -> str:
    """Return the content hash of a data set on this machine."""
    return load_data(name).info.sha256


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimingResult:
    """Latency of every candidate, resident memory of every file (baseline first), and where both were measured."""

    latency: tuple[LatencyComparison, ...]
    resident: tuple[Measure, ...]
    machine: Environment


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished task: the files of a cell's folder, ``None`` where they are shared, or what timing measured."""

    worker: str
    files: dict[str, bytes] | None = None
    timed: TimingResult | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """The worker needs the contents of these hashes first."""

    worker: str
    hashes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """The worker will not do."""

    worker: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The task itself failed; ``trace`` is given where that is a bug."""

    worker: str
    reason: str
    trace: str = ""


Outcome: TypeAlias = Done | Lacking | Unfit | Failed


class Task(Protocol):
    """Something a worker does."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def bundles(self) -> tuple[Bundle, ...]: ...  # noqa: D102
    @property
    def requirements(self) -> WorkerRequirements: ...  # noqa: D102
    def run(self, scratch: Path) -> Done: ...  # noqa: D102


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CellTask:
    """Run a cell, all but its timing; ``target`` is the folder for its files where these are shared."""

    name: str
    cell: StudyCell
    command: tuple[str, ...]
    model: Bundle
    manifests: Bundle
    requirements: WorkerRequirements
    target: str | None
    threads: int

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """The trained network, and manifests of calibration images."""
        return self.model, self.manifests

    def run(self, scratch: Path) -> Done:
        """Run the chain and write the cell's folder."""
        folder = Path(self.target) if self.target else scratch / "cell"
        run = CellRun(
            folder=folder,
            command=self.command,
            started_at=datetime.now().astimezone(),
            model=self.model.laid_out(scratch / "model"),
            manifests=(self.manifests.laid_out(scratch / "manifests"),),
        )
        options = dataclasses.replace(self.cell.options, latency=None, threads=self.threads)
        record = run_cell(dataclasses.replace(self.cell, options=options), run)
        # The record says what was asked for; its predictions say on how many threads they were made.
        save_run(dataclasses.replace(record, config=self.cell.options.recorded()), folder)
        if self.cell.options.latency is None:
            # Else it is written when the files have been timed.
            write_report(folder)
        return Done(worker=_name(), files=None if self.target else packed(folder))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimingTask:
    """Time a cell's files, baseline first."""

    name: str
    files: Bundle
    plan: LatencyPlan
    seed: int
    requirements: WorkerRequirements

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """The ONNX files."""
        return (self.files,)

    def run(self, scratch: Path) -> Done:
        """Time the files in one interleaved run."""
        folder, plan = self.files.laid_out(scratch / "files"), self.plan
        paths = [folder / item.name for item in self.files.items]
        latency = time_files(paths, Sweep(threads=(plan.threads,), batches=(plan.batch,), plan=plan), seed=self.seed)
        resident = tuple(memory_after_load(path, threads=plan.threads) for path in paths)
        return Done(
            worker=_name(), timed=TimingResult(latency=tuple(latency), resident=resident, machine=environment())
        )


def perform(task: Task, contents: Contents) -> Outcome:
    """Do a task on this worker; ``contents`` holds files it was found to lack."""
    try:
        with tempfile.TemporaryDirectory(prefix="compress-onnx-") as scratch:
            store_contents(contents)
            task.requirements.check(environment().packages)
            lacking = tuple(sha256 for bundle in task.bundles for sha256 in bundle.lacking())
            if lacking:
                return Lacking(worker=_name(), hashes=lacking)
            with on_one_thread():
                return task.run(Path(scratch))
    except UnfitWorkerError as error:
        return Unfit(worker=_name(), reason=str(error))
    except CompressOnnxError as error:
        return Failed(worker=_name(), reason=str(error))
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return Failed(worker=_name(), reason=f"{error.strerror or error}{place}")
    except Exception as error:  # noqa: BLE001  # an exception of a foreign class may not survive the way back
        return Failed(worker=_name(), reason=f"{type(error).__name__}: {error}", trace=traceback.format_exc())


def _name() -> str:
    return worker_name.get() or f"process {os.getpid()}"
