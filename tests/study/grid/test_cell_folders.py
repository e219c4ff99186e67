"""Where cells lie: what makes two of them the same, what a marker says, and whose the folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compress_onnx.errors import OptionError, OutputError
from compress_onnx.study.grid import cell_folders
from compress_onnx.study.grid.cell_folders import CELL_FILE, CellState, cell_folders_of, locked
from compress_onnx.study.grid.spec import spec_of

SPEC = {"networks": ["lenet5"], "datasets": ["digits"], "recipes": ["prune:0.5"], "saliency": "none", "latency": False}


def test_other_packages_data_or_weights_are_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = spec_of(SPEC).cells()

    def identity(**packages: str) -> str:
        return cell_folders_of(cells, tmp_path, packages=packages)[0].identity

    before = identity(onnx="1")
    assert identity(onnx="1") == before
    assert identity(onnx="2") != before
    monkeypatch.setattr(cell_folders, "data_sha256", lambda split: f"other {split}")
    assert identity(onnx="1") != before
    monkeypatch.undo()
    card = tmp_path / "card.json"
    card.write_text("{}")
    monkeypatch.setattr(cell_folders, "model_files", lambda cell: {"card.json": card})
    assert identity(onnx="1") != before
    monkeypatch.undo()
    monkeypatch.setattr(cell_folders, "manifest_files", lambda cell: {"digits.json": card})
    assert identity(onnx="1") != before


def test_two_equal_cells_are_refused(tmp_path: Path) -> None:
    cells = spec_of(SPEC).cells()
    with pytest.raises(OptionError, match="each cell once, got lenet5-digits-seed0 twice"):
        cell_folders_of(cells * 2, tmp_path, packages={})


@pytest.fixture
def marked(tmp_path: Path) -> cell_folders.CellFolder:
    (folder,) = cell_folders_of(spec_of(SPEC).cells(), tmp_path, packages={})
    folder.path.mkdir()
    (folder.path / "run.json").touch()
    return folder


@pytest.mark.parametrize("content", ["", "x finished", "{} half", "{}"])
def test_a_marker_that_says_something_else_is_none(content: str, marked: cell_folders.CellFolder) -> None:
    marked.mark(marked.path, CellState.FINISHED)
    assert marked.state() is CellState.FINISHED
    (marked.path / CELL_FILE).write_text(content.format(marked.identity))
    assert marked.state() is CellState.MISSING


def test_two_studies_do_not_fill_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path / "out"), pytest.raises(OutputError, match="one that a running study fills"):
        locked(tmp_path / "out").__enter__()


def test_a_study_that_could_not_begin_leaves_no_folder(tmp_path: Path) -> None:
    def refused() -> Any:
        raise OptionError("a scheduler", "none")

    with pytest.raises(OptionError), locked(tmp_path / "deep" / "out"):
        refused()
    assert not (tmp_path / "deep").exists()
    (tmp_path / "mine").mkdir()
    with locked(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").exists()


def test_what_a_killed_study_left_aside_goes(tmp_path: Path) -> None:
    left = tmp_path / "out" / ".part-lenet5-digits-seed0-1"
    left.mkdir(parents=True)
    (left / "run.json").touch()
    with locked(tmp_path / "out"):
        assert not left.exists()
