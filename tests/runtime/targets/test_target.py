"""What is sent to a target: one program that old Pythons run, from any folder, out of a pipe."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from compress_onnx.runtime.targets.naming import reached
from compress_onnx.runtime.targets.target import Target, program


def test_the_program_is_no_younger_than_python_3_8_and_fits_into_a_pipe() -> None:
    outer = ast.parse(program(), feature_version=(3, 8))
    sources = [
        call.args[0].value
        for call in ast.walk(outer)
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "compile"
        and isinstance(call.args[0], ast.Constant)
    ]
    assert len(sources) == 2
    for source in sources:
        names = {
            node.module
            for node in ast.walk(ast.parse(source, feature_version=(3, 8)))
            if isinstance(node, ast.ImportFrom)
        }
        assert not any(str(name).startswith("compress_onnx") for name in names)
    assert len(program()) <= 65536


def test_files_of_the_login_folder_do_not_stand_for_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise RuntimeError('not this one')", encoding="utf-8")
    (tmp_path / "onnxruntime.py").write_text("raise RuntimeError('nor this one')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    there = reached(Target(name="here", command=(sys.executable,)))
    assert there.environment.packages["numpy"] == np.__version__
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numpy.py", "onnxruntime.py"]
