"""Files that tests of several commands need."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic


@pytest.fixture
def dynamic(shelf: Any, tmp_path: Path) -> Path:
    quantize_dynamic(onnx.load(shelf.base), tmp_path / "dynamic.onnx", weight_type=QuantType.QUInt8)
    return tmp_path / "dynamic.onnx"


@pytest.fixture
def perfect(cli: Any, shelf: Any, tmp_path: Path) -> Path:
    """A run whose candidate answers as the baseline does."""
    shutil.copy(shelf.base, tmp_path / "other.onnx")
    words = ("compare", shelf.base, tmp_path / "other.onnx", "--data", shelf.data, "--out", tmp_path / "perfect")
    assert cli(*words, "--saliency", "none", "--no-latency").code == 0
    return tmp_path / "perfect"
