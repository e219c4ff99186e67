"""Whole studies on small comparisons, in this process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import named_models
from compress_onnx.comparison.stages import compare_models
from compress_onnx.records.study import StudyRecord
from compress_onnx.study.cells.cell import CellRun, StudyCell
from compress_onnx.study.execute import tasks
from compress_onnx.study.grid.cell_folders import cell_name
from compress_onnx.study.grid.runner import run_study
from compress_onnx.study.grid.spec import spec_of
from compress_onnx.study.grid.stages import StudySetup

SPEC = {"networks": ["lenet5"], "datasets": ["digits"], "recipes": ["prune:0.5"], "saliency": "none", "latency": False}

RunStudy = Callable[..., StudyRecord]


class Inline(Executor):
    """Runs what is submitted at once, in this process; files are shared or travel."""

    def __init__(self, *, shares_files: bool = True) -> None:
        self.shares_files = shares_files

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  # as a pool does
            future.set_exception(error)
        return future


@pytest.fixture
def ran(make_classifier: Any, make_images: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a small comparison in the place of a cell's long one; the list fills with what is run."""
    base, other, images, names = (
        make_classifier("lenet5-digits"),
        make_classifier("prune0.5", noise=0.5),
        make_images(),
        [],
    )

    def run_cell(cell: StudyCell, run: CellRun) -> Any:
        names.append(cell_name(cell))
        artifacts = run.folder / "artifacts"
        artifacts.mkdir(parents=True)
        for path in (base, other):
            (artifacts / path.name).write_bytes(path.read_bytes())
        entries = named_models([artifacts / base.name, artifacts / other.name])
        job = Job(
            models=entries,
            images=images,
            options=cell.options,
            folder=run.folder,
            command=run.command,
            started_at=run.started_at,
        )
        return compare_models(job)

    monkeypatch.setattr(tasks, "run_cell", run_cell)
    # Rendering is most of a small cell's time.
    monkeypatch.setattr(tasks, "write_report", lambda folder: (folder / "report.html").write_text("a page"))
    return names


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def study(ran: list[str], said: list[str], tmp_path: Path, started: datetime) -> RunStudy:
    def run(out: str = "out", *, executor: Executor | None = None, **changes: Any) -> StudyRecord:
        ran.clear()
        setup = StudySetup(
            command=("a", "b"), started_at=started, open_executor=lambda: executor or Inline(), say=said.append
        )
        return run_study(spec_of({**SPEC, "seeds": [0, 1], **changes}), tmp_path / out, setup)

    return run


@pytest.fixture
def traveling() -> Executor:
    return Inline(shares_files=False)
