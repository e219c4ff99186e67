"""Whole studies on small comparisons: what is run, what is found again, what an interruption costs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.compare.comparison import Job, compare_models
from compress_onnx.compare.models import named_models
from compress_onnx.compare.reports import study_page
from compress_onnx.errors import CompressOnnxError, MachineError, OptionError, OutputError, RecordError
from compress_onnx.records.study import StudyRecord
from compress_onnx.runtime.cpu.machine import environment
from compress_onnx.store import load_run, load_study, save_study, without_times
from compress_onnx.study import cell_folders as places
from compress_onnx.study import grid
from compress_onnx.study.cell_folders import CELL_FILE, State, cell_name, locked, places_of
from compress_onnx.study.cells.cell import Cell, Site
from compress_onnx.study.cells.spec import spec_of
from compress_onnx.study.execute import tasks
from compress_onnx.study.grid import CellError, Setting, run_study

# The cells' pictures are scikit-learn's digits.
pytest.importorskip("sklearn")

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
def asked(make_classifier: Any, make_images: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a small comparison in the place of a cell's long one; the list fills with what is run."""
    base, other, images, run = (
        make_classifier("lenet5-digits"),
        make_classifier("prune0.5", noise=0.5),
        make_images(),
        [],
    )

    def run_cell(cell: Cell, site: Site) -> Any:
        run.append(cell_name(cell))
        artifacts = site.folder / "artifacts"
        artifacts.mkdir(parents=True)
        for path in (base, other):
            (artifacts / path.name).write_bytes(path.read_bytes())
        entries = named_models([artifacts / base.name, artifacts / other.name])
        job = Job(
            models=entries,
            images=images,
            options=cell.options,
            folder=site.folder,
            command=site.command,
            started_at=site.started_at,
        )
        return compare_models(job)

    monkeypatch.setattr(tasks, "run_cell", run_cell)
    # Rendering is most of a small cell's time.
    monkeypatch.setattr(tasks, "write_report", lambda folder: (folder / "report.html").write_text("a page"))
    return run


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def study(asked: list[str], said: list[str], tmp_path: Path, started: datetime) -> RunStudy:
    def run(out: str = "out", *, executor: Executor | None = None, **changes: Any) -> StudyRecord:
        asked.clear()
        setting = Setting(
            command=("a", "b"), started_at=started, open_executor=lambda: executor or Inline(), say=said.append
        )
        return run_study(spec_of({**SPEC, "seeds": [0, 1], **changes}), tmp_path / out, setting)

    return run


def test_each_cell_gets_a_folder_with_record_and_report(study: RunStudy, asked: list[str], tmp_path: Path) -> None:
    record = study()
    assert [cell.name for cell in record.cells] == asked == ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    for cell in record.cells:
        folder = tmp_path / "out" / cell.name
        assert {"run.json", "report.html", "samples.parquet"} <= {path.name for path in folder.iterdir()}
    assert [load_run(tmp_path / "out" / cell.name).config["seed"] for cell in record.cells] == [0, 1]
    assert load_study(tmp_path / "out") == load_study(tmp_path / "out" / "study.json") == record
    assert not list((tmp_path / "out").glob(".part-*"))


def test_the_summary_says_what_the_cells_say(study: RunStudy, tmp_path: Path) -> None:
    (cell,) = study(seeds=[7]).cells
    run = load_run(tmp_path / "out" / cell.name)
    (found,), (candidate,) = run.comparisons, cell.candidates
    assert (cell.seed, cell.dataset, cell.accuracy) == (7, run.dataset, found.accuracy.baseline)
    assert (candidate.recipe, candidate.name) == ("prune:0.5", "prune0.5")
    assert candidate.sha256 == run.artifacts[1].sha256
    assert (candidate.flips, candidate.accuracy_change) == (found.flips.rate, found.accuracy.change)
    worst = min(found.classes, key=lambda one: one.change.value or 0.0)
    assert (candidate.worst_class, candidate.worst_change) == (worst.class_name, worst.change)
    changes = found.confidence.change_all, found.confidence.change_same, found.confidence.change_flipped
    summed = candidate.confidence_change, candidate.confidence_change_same, candidate.confidence_change_flipped
    assert summed == changes
    assert (candidate.class_pattern, candidate.warnings) == (found.class_pattern, run.artifacts[1].warnings)
    assert (candidate.saliency, candidate.saliency_place, candidate.saliency_verdict) == (None,) * 3
    assert candidate.latency is None


def test_a_finished_cell_is_not_run_again(study: RunStudy, asked: list[str], said: list[str]) -> None:
    first = study()
    again = study()
    assert asked == []
    assert again == first
    assert said[-1] == "2 of 2 cells were there before."


@pytest.mark.parametrize(
    "change",
    [{"recipes": ["prune: 0.5"]}, {"saliency_samples": 9}, {"calibration_size": 9}, {"cpu": "aarch64"}],
    ids=str,
)
def test_a_changed_specification_runs_again(change: dict[str, Any], study: RunStudy, asked: list[str]) -> None:
    study()
    study(**change)
    assert len(asked) == 2


def test_other_packages_data_or_weights_are_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = spec_of(SPEC).cells()

    def identity(**packages: str) -> str:
        return places_of(cells, tmp_path, packages=packages)[0].identity

    before = identity(onnx="1")
    assert identity(onnx="1") == before
    assert identity(onnx="2") != before
    monkeypatch.setattr(places, "data_sha256", lambda split: f"other {split}")
    assert identity(onnx="1") != before
    monkeypatch.undo()
    card = tmp_path / "card.json"
    card.write_text("{}")
    monkeypatch.setattr(places, "model_files", lambda cell: {"card.json": card})
    assert identity(onnx="1") != before
    monkeypatch.undo()
    monkeypatch.setattr(places, "manifest_files", lambda cell: {"digits.json": card})
    assert identity(onnx="1") != before


def test_two_equal_cells_are_refused(tmp_path: Path) -> None:
    cells = spec_of(SPEC).cells()
    with pytest.raises(OptionError, match="each cell once, got lenet5-digits-seed0 twice"):
        places_of(cells * 2, tmp_path, packages={})


def test_long_cells_begin_first_and_stand_in_the_specifications_order(
    study: RunStudy, asked: list[str], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places.Place, "effort", property(lambda place: 1 + 3 * place.cell.options.seed))
    record = study()
    assert asked == ["lenet5-digits-seed1", "lenet5-digits-seed0"]
    assert [cell.name for cell in record.cells] == ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    # Both run at a time: either may end first.
    assert re.fullmatch(r"1 of 2: lenet5-digits-seed[01] done, about \d+ (s|min) left\.", said[0])
    assert re.fullmatch(r"2 of 2: lenet5-digits-seed[01] done\.", said[1])


def test_only_new_seeds_are_run(study: RunStudy, asked: list[str]) -> None:
    study()
    study(seeds=[1, 2])
    assert asked == ["lenet5-digits-seed2"]


def test_an_unmarked_cell_is_run_again(study: RunStudy, asked: list[str], tmp_path: Path) -> None:
    first = study()
    (tmp_path / "out" / "lenet5-digits-seed1" / CELL_FILE).unlink()
    (tmp_path / "out" / "lenet5-digits-seed0" / "run.json").unlink()
    assert without_times(study()) == without_times(first)
    assert asked == ["lenet5-digits-seed0", "lenet5-digits-seed1"]


def test_a_broken_record_is_not_passed_over(study: RunStudy, tmp_path: Path) -> None:
    study()
    (tmp_path / "out" / "lenet5-digits-seed0" / "run.json").write_text("{}")
    with pytest.raises(RecordError, match="schema version"):
        study()


def test_a_broken_summary_is_named(study: RunStudy, tmp_path: Path) -> None:
    record = study()
    save_study(dataclasses.replace(record, schema_version=99), tmp_path / "out")
    with pytest.raises(RecordError, match="version 99"):
        load_study(tmp_path / "out")


def test_files_that_travel_give_the_same_record_as_shared_ones(
    study: RunStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = study()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "worker"))
    traveled = study("other", executor=Inline(shares_files=False))
    assert without_times(traveled) == without_times(shared)
    for cell in shared.cells:
        here, there = (tmp_path / out / cell.name for out in ("out", "other"))
        assert {p.relative_to(here) for p in here.rglob("*")} == {p.relative_to(there) for p in there.rglob("*")}
        assert without_times(load_run(here)) == without_times(load_run(there))


def test_files_are_timed_after_all_cells_and_an_untimed_cell_is_only_timed(
    study: RunStudy, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed = _timed_quickly(monkeypatch, ends_at=2)
    with pytest.raises(KeyboardInterrupt):
        study(latency=True)
    assert asked == ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    assert timed == [["lenet5-digits.onnx", "prune0.5.onnx"]] * 2
    record = study(latency=True)
    assert asked == []
    assert len(timed) == 3
    for cell in record.cells:
        run = load_run(tmp_path / "out" / cell.name)
        (found,) = run.comparisons
        assert found.latency is not None
        assert found.footprint_baseline.resident is not None
        assert found.footprint_candidate.resident is not None
        assert run.timed_on == run.environment
        (candidate,) = cell.candidates
        assert candidate.latency is not None
        assert candidate.latency.cpu == cell.cpu
        assert candidate.latency.speedup == found.latency.speedup
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
        patch.setattr(grid, "environment", lambda: other)
        with pytest.raises(MachineError, match=r"Expected latencies of one machine, got CPU another CPU and .*seed0\)"):
            study(latency=True)
        study(latency=False)  # where nothing is timed, nothing is mixed


def test_a_failed_cell_is_named_and_the_others_go_on(
    study: RunStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, small = study("whole"), tasks.run_cell

    def broken(cell: Cell, site: Site) -> Any:
        if cell.options.seed == 0:
            raise OptionError("a cell that runs", "one that does not")
        return small(cell, site)

    monkeypatch.setattr(tasks, "run_cell", broken)
    with pytest.raises(CellError, match=r"lenet5-digits-seed0: Expected a cell that runs.*finished cells are kept"):
        study()
    partial = load_study(tmp_path / "out")
    assert [cell.name for cell in partial.cells] == ["lenet5-digits-seed1"]
    assert [failure.name for failure in partial.failures] == ["lenet5-digits-seed0"]
    page = study_page(tmp_path / "out")
    assert page.sections[0].title == "Cells that did not finish"
    assert page.title == "Study of 1 cell"
    monkeypatch.setattr(tasks, "run_cell", small)
    assert without_times(study()) == without_times(whole)


def test_a_full_disk_is_said_of_the_cell_it_hit(study: RunStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(cell: Cell, site: Site) -> Any:
        raise OSError(28, "No space left on device", str(site.folder))

    monkeypatch.setattr(tasks, "run_cell", full)
    with pytest.raises(CellError, match=r"seed0: No space left on device.*seed1: No space left"):
        study()


def test_a_bug_in_a_cell_is_shown_as_one(study: RunStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "run_cell", lambda cell, site: 1 / 0)
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*ZeroDivisionError"):
        study()


def test_an_older_cell_stays_until_the_new_one_is_whole(
    study: RunStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study()

    def killed(cell: Cell, site: Site) -> Any:
        site.folder.mkdir()
        (site.folder / "run.json").write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run_cell", killed)
        with pytest.raises(KeyboardInterrupt):
            study(saliency_samples=9)
    assert not list((tmp_path / "out").glob(".part-*"))
    assert study() == first


def test_two_studies_do_not_fill_one_folder(study: RunStudy, tmp_path: Path) -> None:
    with locked(tmp_path / "out"), pytest.raises(OutputError, match="one that a running study fills"):
        study()


def test_a_study_that_could_not_begin_leaves_no_folder(study: RunStudy, tmp_path: Path) -> None:
    def refused() -> Any:
        raise OptionError("a scheduler", "none")

    with pytest.raises(OptionError), locked(tmp_path / "deep" / "out"):
        refused()
    assert not (tmp_path / "deep").exists()
    (tmp_path / "mine").mkdir()
    with locked(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").exists()


def test_what_a_killed_study_left_aside_goes(study: RunStudy, tmp_path: Path) -> None:
    left = tmp_path / "out" / ".part-lenet5-digits-seed0-1"
    left.mkdir(parents=True)
    (left / "run.json").touch()
    study()
    assert not left.exists()


def test_data_that_is_missing_here_is_said_before_anything_runs(
    study: RunStudy, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(split: str) -> Any:
        raise OptionError("data", f"no {split}")

    monkeypatch.setattr(tasks, "load_data", missing)
    with pytest.raises(CompressOnnxError, match="no digits:test"):
        study()
    assert asked == []


@pytest.fixture
def marked(tmp_path: Path) -> places.Place:
    (place,) = places_of(spec_of(SPEC).cells(), tmp_path, packages={})
    place.folder.mkdir()
    (place.folder / "run.json").touch()
    return place


@pytest.mark.parametrize("content", ["", "x finished", "{} half", "{}"])
def test_a_marker_that_says_something_else_is_none(content: str, marked: places.Place) -> None:
    marked.mark(marked.folder, State.FINISHED)
    assert marked.state() is State.FINISHED
    (marked.folder / CELL_FILE).write_text(content.format(marked.identity))
    assert marked.state() is State.MISSING
