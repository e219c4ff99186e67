"""Errors become one sentence or a traceback, and an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compress_onnx.steps import pruning


def _raising(error: BaseException) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_finished_command_exits_0(cli: Any, shelf: Any, tmp_path: Path) -> None:
    answer = cli("prune", shelf.base, "-o", tmp_path / "p.onnx")
    assert answer.code == 0
    assert (tmp_path / "p.onnx").is_file()
    assert "50.0% of" in answer.out
    assert answer.err == ""


def test_a_bug_exits_70_with_a_traceback(cli: Any, shelf: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pruning, "prune_model", _raising(IndexError("a hole")))
    answer = cli("prune", shelf.base, "-o", tmp_path / "p.onnx")
    assert answer.code == 70
    assert "Traceback (most recent call last)" in answer.err
    assert "IndexError: a hole" in answer.err
    assert answer.err.splitlines()[-1] == "compress-onnx: this is a bug. Please report it with the lines above."
    assert answer.out == ""
    assert not (tmp_path / "p.onnx").exists()


def test_an_interruption_exits_130(cli: Any, shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "prune_model", _raising(KeyboardInterrupt()))
    answer = cli("prune", shelf.base)
    assert answer.code == 130
    assert "Traceback" not in answer.err


def test_a_full_disk_is_no_bug(cli: Any, shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "prune_model", _raising(OSError(28, "No space left on device", "/somewhere")))
    answer = cli("prune", shelf.base)
    assert answer.code == 2
    assert answer.err == (
        "compress-onnx: Expected a file that can be read or written, got No space left on device (/somewhere). "
        "Free the place or choose another.\n"
    )
