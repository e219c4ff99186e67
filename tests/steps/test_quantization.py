"""A file is quantized on manifest images; what was measured on them once is not measured again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compress_onnx import options
from compress_onnx.compress.quantization import preparation
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.data.images import ImageSet
from compress_onnx.model.files import load_model
from compress_onnx.model.metadata import read_embedded
from compress_onnx.steps.quantization import CalibrationData, quantized

OPTIONS = QuantizeOptions(cpu="x86-64-vnni")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _never(*_: object, **__: object) -> None:
    pytest.fail("ranges were measured again")


def test_ranges_are_measured_once_per_model_and_images(
    make_classifier: Callable[..., Path],
    make_images: Callable[..., ImageSet],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, first, second = make_classifier("colors"), tmp_path / "1.onnx", tmp_path / "2.onnx"
    data = CalibrationData(training=make_images(30), evaluation=None, size=12, seed=0)
    quantized(source, OPTIONS, data=data).model.save(first)
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "ranges", _never)
        quantized(source, OPTIONS, data=data).model.save(second)
    assert first.read_bytes() == second.read_bytes()
    fewer = CalibrationData(training=data.training, evaluation=None, size=9, seed=0)
    quantized(source, OPTIONS, data=fewer)
    assert len(list((options.cache_root() / "ranges").iterdir())) == 2


def test_the_cache_leaves_no_trace_in_the_recipe(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet], tmp_path: Path
) -> None:
    data = CalibrationData(training=make_images(30), evaluation=None, size=12, seed=0)
    quantized(make_classifier("colors"), OPTIONS, data=data).model.save(tmp_path / "q.onnx")
    assert "cache_key" not in read_embedded(load_model(tmp_path / "q.onnx")).recipe[-1].options
