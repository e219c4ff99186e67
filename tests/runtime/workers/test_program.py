"""The worker's program: no younger than Python 3.8, nothing of this package, and the same from any folder."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from compress_onnx.runtime.workers.process import Worker, local_worker
from compress_onnx.runtime.workers.program import local_command, sent_program, worker_program


def sources() -> Iterator[tuple[str, str]]:
    loops = [
        node for node in ast.walk(ast.parse(worker_program(), feature_version=(3, 8))) if isinstance(node, ast.For)
    ]
    yield from next(iter(ast.literal_eval(loop.iter) for loop in loops))


def test_the_program_needs_nothing_that_is_not_sent_and_nothing_younger_than_python_3_8() -> None:
    sent: set[str] = set()
    for name, source in sources():
        tree = ast.parse(source, feature_version=(3, 8))
        asked = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        asked |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        foreign = {module for module in asked if module.partition(".")[0] not in sys.stdlib_module_names}
        assert foreign <= {"numpy", "onnxruntime"} | sent
        sent.add(name)
    assert len(sent) == 3


def test_the_program_runs_beside_files_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise RuntimeError('not this one')")
    monkeypatch.chdir(tmp_path)
    with Worker(local_command()) as started:
        assert started.facts["numpy"] == np.__version__


def test_nothing_of_the_package_is_loaded_where_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "compress_onnx").mkdir()
    (tmp_path / "compress_onnx" / "__init__.py").write_text("raise RuntimeError('not here')")
    with local_worker(environment={"PYTHONPATH": str(tmp_path)}) as started:
        assert started.ask("passport")[0]["cores"] == started.facts["cores"]


def test_the_program_fits_into_a_pipe() -> None:
    assert len(sent_program()) <= 65536
