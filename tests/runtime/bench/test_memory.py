"""Memory after loading: it holds the weights at least, and is undefined where nothing tells it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.records.base import Better
from compress_onnx.runtime.bench import memory
from compress_onnx.runtime.bench.memory import memory_after_load

MEGABYTE = 2**20


def saved(path: Path, width: int) -> Path:
    """Save a product with a matrix of ``width`` columns of 1024 numbers: 4 kilobytes each."""
    values = np.random.default_rng(0).normal(size=(1024, width)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1024])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(values, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def test_a_loaded_model_takes_what_its_weights_take_and_a_tiny_one_hardly_anything(tmp_path: Path) -> None:
    tiny, large = (memory_after_load(saved(tmp_path / f"{width}.onnx", width)) for width in (1, 8 * 1024))
    assert (large.unit, large.better, large.n) == ("bytes", Better.LOWER, 1)
    assert tiny.value is not None
    assert large.value is not None
    assert 0 <= tiny.value < 16 * MEGABYTE
    # 32 MB of weights: once at least, at most packed, unpacked, in the file and in the parser.
    assert large.value - tiny.value >= 31 * MEGABYTE
    assert large.value < 4.5 * 32 * MEGABYTE


def test_a_file_that_the_runtime_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"a model that ONNX Runtime can run.*broken\.onnx"):
        memory_after_load(tmp_path / "broken.onnx")


class Told:
    """A worker that tells these bytes before and after loading."""

    def __init__(self, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        self.facts = {"memory_before": before, "memory": after}
        self.threads = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def load(self, model: Any, *, threads: int) -> Mapping[str, Any]:
        self.threads = threads
        return self.facts


def told(monkeypatch: pytest.MonkeyPatch, before: Mapping[str, int], after: Mapping[str, int]) -> Told:
    worker = Told(before, after)
    monkeypatch.setattr(memory, "local_worker", lambda: worker)
    return worker


@pytest.mark.parametrize(("before", "after"), [({}, {}), ({"resident_bytes": 5}, {}), ({}, {"resident_bytes": 5})])
def test_it_is_undefined_where_the_system_tells_no_memory(
    monkeypatch: pytest.MonkeyPatch, before: Mapping[str, int], after: Mapping[str, int]
) -> None:
    told(monkeypatch, before, after)
    found = memory_after_load(Path("a.onnx"))
    assert (found.value, found.undefined_reason) == (None, "the system tells no process's memory")
    assert (found.unit, found.better, found.n) == ("bytes", Better.LOWER, 0)


@pytest.mark.parametrize(("before", "after", "expected"), [(100, 175, 75.0), (100, 100, 0.0), (100, 90, 0.0)])
def test_it_is_the_growth_and_never_negative(
    monkeypatch: pytest.MonkeyPatch, before: int, after: int, expected: float
) -> None:
    worker = told(monkeypatch, {"resident_bytes": before, "peak_bytes": 999}, {"resident_bytes": after})
    assert memory_after_load(Path("a.onnx"), threads=3).value == expected
    assert worker.threads == 3
