"""Ranges are found once per model, images and method; a broken file is as good as none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import TensorData, TensorsData

from compress_onnx import options
from compress_onnx.compress.calibration.calibrate import METHODS
from compress_onnx.compress.calibration.range_cache import kept_ranges, range_key
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.model.files import model_bytes
from compress_onnx.options.declared import METHOD

Images = NDArray[np.float32]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return options.cache_root() / "ranges"


class Finder:
    """Finds ranges, and counts how often it had to."""

    def __init__(self, method: str = "minmax") -> None:
        self.calls = 0
        self.method = method

    def __call__(self) -> TensorsData:
        self.calls += 1
        tensor = TensorData(lowest=np.asarray(-1 / 3, np.float32), highest=np.asarray(0.1, np.float32))
        return TensorsData(METHODS[self.method], {"a/b": tensor})


@pytest.mark.parametrize("method", METHOD.choices)
def test_the_second_time_reads_the_same_bits(method: str) -> None:
    find = Finder(method)
    first, second = (kept_ranges("k", find, method=method) for _ in range(2))
    assert find.calls == 1
    assert second.calibration_method == first.calibration_method == METHODS[method]
    for name in ("lowest", "highest"):
        kept = getattr(second["a/b"], name)
        assert kept.dtype == np.float32
        assert kept.tobytes() == getattr(first["a/b"], name).tobytes()


def test_without_a_key_nothing_is_kept(folder: Path) -> None:
    find = Finder()
    for _ in range(2):
        kept_ranges(None, find, method="minmax")
    assert find.calls == 2
    assert not folder.exists()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"method": "minmax"}',
        b'{"method": "entropy", "ranges": {}}',
        b'{"method": "minmax", "ranges": []}',
        b'{"method": "minmax", "ranges": {"a": ["float32", 1]}}',
        b'{"method": "minmax", "ranges": {"a": ["float32", "x", 1]}}',
        b'{"method": "minmax", "ranges": {"a": ["int8", 0, 1]}}',
        b'{"method": "minmax", "ranges": {"a": ["float32", 2, 1]}}',
        b'{"method": "minmax", "ranges": {"a": ["float32", NaN, 1]}}',
        b'{"method": "minmax", "ranges": {"a": ["float32", 0, Infinity]}}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_written_anew(folder: Path, broken: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "k.json").write_bytes(broken)
    find = Finder()
    for _ in range(2):
        assert set(kept_ranges("k", find, method="minmax").keys()) == {"a/b"}
    assert find.calls == 1
    assert [path.name for path in folder.iterdir()] == ["k.json"]


def test_the_key_tells_apart_all_that_changes_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "1.onnx", tmp_path / "2.onnx"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    keys = [range_key(*words, method=method) for *words, method in ((first, "d", "minmax"), (second, "d", "minmax"))]
    keys += [range_key(first, "e", method="minmax"), range_key(first, "d", method="entropy")]
    same = range_key(first, "d", method="minmax")
    monkeypatch.setattr(ort, "__version__", "0.1")
    keys.append(range_key(first, "d", method="minmax"))
    assert len(set(keys)) == len(keys)
    assert same == keys[0]


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantizing_twice_reads_ranges_once_and_gives_equal_bytes(
    convnet: onnx.ModelProto, images: Images, folder: Path, weights: str
) -> None:
    passes = 0

    def batches() -> Iterator[Images]:
        nonlocal passes
        passes += 1
        yield images

    options = QuantizeOptions(cpu="x86-64-vnni", weights=weights, cache_key="manifest")
    plain = QuantizeOptions(cpu="x86-64-vnni", weights=weights)
    results = [model_bytes(quantize_model(convnet, batches(), chosen)) for chosen in (options, options, plain)]
    assert len(set(results)) == 1
    # 4-bit weights are chosen on the images themselves, so those are still read.
    assert passes == (2 if weights == "int8" else 3)
    assert len(list(folder.iterdir())) == 1
