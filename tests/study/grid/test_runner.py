"""Whole studies on small comparisons: what is run, what is found again, what an interruption costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.compare.reports import study_page
from compress_onnx.errors import CompressOnnxError, OptionError, RecordError
from compress_onnx.records.study import StudyRecord
from compress_onnx.store import load_run, load_study, save_study, without_times
from compress_onnx.study.cells.cell import CellRun, StudyCell
from compress_onnx.study.execute import tasks
from compress_onnx.study.grid.cell_folders import CELL_FILE
from compress_onnx.study.grid.runner import CellError

RunStudy = Callable[..., StudyRecord]


def test_each_cell_gets_a_folder_with_record_and_report(study: RunStudy, ran: list[str], tmp_path: Path) -> None:
    record = study()
    assert [cell.name for cell in record.cells] == ran == ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    for cell in record.cells:
        folder = tmp_path / "out" / cell.name
        assert {"run.json", "report.html", "samples.parquet"} <= {path.name for path in folder.iterdir()}
    assert [load_run(tmp_path / "out" / cell.name).config["seed"] for cell in record.cells] == [0, 1]
    assert load_study(tmp_path / "out") == load_study(tmp_path / "out" / "study.json") == record
    assert not list((tmp_path / "out").glob(".part-*"))


def test_a_finished_cell_is_not_run_again(study: RunStudy, ran: list[str], said: list[str]) -> None:
    first = study()
    again = study()
    assert ran == []
    assert again == first
    assert said[-1] == "2 of 2 cells were there before."


@pytest.mark.parametrize(
    "change",
    [{"recipes": ["prune: 0.5"]}, {"saliency_samples": 9}, {"calibration_size": 9}, {"cpu": "aarch64"}],
    ids=str,
)
def test_a_changed_specification_runs_again(change: dict[str, Any], study: RunStudy, ran: list[str]) -> None:
    study()
    study(**change)
    assert len(ran) == 2


def test_only_new_seeds_are_run(study: RunStudy, ran: list[str]) -> None:
    study()
    study(seeds=[1, 2])
    assert ran == ["lenet5-digits-seed2"]


def test_an_unmarked_cell_is_run_again(study: RunStudy, ran: list[str], tmp_path: Path) -> None:
    first = study()
    (tmp_path / "out" / "lenet5-digits-seed1" / CELL_FILE).unlink()
    (tmp_path / "out" / "lenet5-digits-seed0" / "run.json").unlink()
    assert without_times(study()) == without_times(first)
    assert ran == ["lenet5-digits-seed0", "lenet5-digits-seed1"]


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


def test_a_failed_cell_is_named_and_the_others_go_on(
    study: RunStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, small = study("whole"), tasks.run_cell

    def broken(cell: StudyCell, run: CellRun) -> Any:
        if cell.options.seed == 0:
            raise OptionError("a cell that runs", "one that does not")
        return small(cell, run)

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
    def full(cell: StudyCell, run: CellRun) -> Any:
        raise OSError(28, "No space left on device", str(run.folder))

    monkeypatch.setattr(tasks, "run_cell", full)
    with pytest.raises(CellError, match=r"seed0: No space left on device.*seed1: No space left"):
        study()


def test_a_bug_in_a_cell_is_shown_as_one(study: RunStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "run_cell", lambda cell, run: 1 / 0)
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*ZeroDivisionError"):
        study()


def test_an_older_cell_stays_until_the_new_one_is_whole(
    study: RunStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = study()

    def killed(cell: StudyCell, run: CellRun) -> Any:
        run.folder.mkdir()
        (run.folder / "run.json").write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run_cell", killed)
        with pytest.raises(KeyboardInterrupt):
            study(saliency_samples=9)
    assert not list((tmp_path / "out").glob(".part-*"))
    assert study() == first


def test_data_that_is_missing_here_is_said_before_anything_runs(
    study: RunStudy, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(split: str) -> Any:
        raise OptionError("data", f"no {split}")

    monkeypatch.setattr(tasks, "load_data", missing)
    with pytest.raises(CompressOnnxError, match="no digits:test"):
        study()
    assert ran == []
