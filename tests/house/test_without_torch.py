"""The suite where the extra ``torch`` is not installed: it is collected whole, and what needs the extra is left out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABSENCE = Path(__file__).with_name("without_torch")

pytestmark = pytest.mark.slow


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(ABSENCE), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).rstrip(":")
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_packages_are_absent_for_imports_and_for_who_looks() -> None:
    answer = _python(
        "-c", "import importlib.util as u; print([u.find_spec(n) for n in ('torch', 'sklearn')]); import captum"
    )
    assert answer.stdout == "[None, None]\n"
    assert "ModuleNotFoundError: No module named 'captum'" in answer.stderr


def test_the_suite_is_collected_and_only_rooms_of_the_extra_lose_doctests() -> None:
    here = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "compress_onnx"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    there = _python("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
    assert there.returncode == 0, there.stdout[-4000:]
    lost = set(_doctests(here.stdout)) - set(_doctests(there.stdout))
    assert lost
    assert {name.split("/")[1] for name in lost} <= {"saliency", "torch_export", "zoo"}


def _doctests(listed: str) -> list[str]:
    return re.findall(r"^compress_onnx/\S+", listed, re.MULTILINE)
