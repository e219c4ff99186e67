"""What is sent to a target: one program, out of a pipe, whatever lies in the login folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from compress_onnx.runtime.targets.naming import connect
from compress_onnx.runtime.targets.target import Target


def test_files_of_the_login_folder_do_not_stand_for_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise RuntimeError('not this one')", encoding="utf-8")
    (tmp_path / "onnxruntime.py").write_text("raise RuntimeError('nor this one')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    there = connect(Target(name="here", command=(sys.executable,)))
    assert there.environment.packages["numpy"] == np.__version__
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numpy.py", "onnxruntime.py"]
