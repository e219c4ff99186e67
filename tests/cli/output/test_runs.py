"""Folders of runs: made only with the first result, refused before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress_onnx.cli.output.runs import command_words, new_run
from compress_onnx.errors import OutputError


def test_a_run_knows_its_folder_and_words_and_leaves_nothing_behind(tmp_path: Path) -> None:
    words = command_words.set(("compare", "a b"))
    run = new_run(tmp_path / "deep" / "run", "compare")
    command_words.reset(words)
    assert (run.folder, run.command) == (tmp_path / "deep" / "run", ("compress-onnx", "compare", "a b"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_named_by_time_and_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = new_run(None, "demo-net")
    assert run.folder == Path("reports") / f"{run.started_at:%Y%m%d-%H%M%S}-demo-net"


def test_a_folder_that_is_there_stays_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    new_run(tmp_path, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"a folder that can be written, got Not a directory .*--out"):
        new_run(tmp_path / "file" / "run", "x")
