"""Entropy against scipy's, bytes by type against the file's own, and what coders reach."""

from __future__ import annotations

import lzma
import zlib
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.model.artifact import describe, entropy_bits, entropy_bytes, footprint, initializer_bytes, zstd_bytes
from compress_onnx.model.census.census import weights
from compress_onnx.model.files import save_model

arrays = hnp.arrays(st.sampled_from([np.int8, np.float32, np.float16]), hnp.array_shapes(max_dims=4))


@given(arrays)
def test_entropy_is_scipys_of_the_bit_patterns(values: NDArray[np.generic]) -> None:
    patterns = values.view(f"u{values.dtype.itemsize}")
    expected = values.size * scipy.stats.entropy(np.unique(patterns, return_counts=True)[1], base=2)
    assert entropy_bits(values) == pytest.approx(expected, abs=1e-6)


@given(arrays)
def test_order_does_not_matter_and_no_code_is_longer_than_the_type(values: NDArray[np.generic]) -> None:
    assert entropy_bits(values) == pytest.approx(entropy_bits(values.ravel()[::-1]))
    assert 0 <= entropy_bits(values) <= min(8 * values.nbytes, values.size * np.log2(values.size)) + 1e-6


@pytest.mark.parametrize("spread", [1, 5, 20])
def test_real_coders_stay_above_the_bound_on_memoryless_values(spread: float) -> None:
    values = np.random.default_rng(0).normal(0, spread, 100_000).round().astype(np.int8)
    bound = entropy_bits(values) / 8
    content = values.tobytes()
    for coded in (zlib.compress(content, 9), lzma.compress(content), pa.compress(content, "zstd", asbytes=True)):
        assert bound < len(coded)


def test_an_empty_array_needs_nothing() -> None:
    assert entropy_bits(np.empty((0, 3), np.float32)) == 0.0


def test_each_weight_tensor_has_its_own_histogram_and_the_rest_does_not_count(convnet: onnx.ModelProto) -> None:
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in convnet.graph.initializer}
    expected = sum(entropy_bits(stored[name]) for name in ("w1", "w2", "w3"))
    assert entropy_bytes(convnet) == int(np.ceil(expected / 8))


def test_bytes_by_type_are_those_of_the_stored_data(convnet: onnx.ModelProto) -> None:
    batches = iter([np.random.default_rng(0).normal(size=(8, 3, 8, 8)).astype(np.float32)])
    model = quantize_model(convnet, batches, QuantizeOptions(cpu="x86-64-vnni"))
    found: dict[str, int] = {}
    for tensor in model.graph.initializer:
        kind = TensorProto.DataType.Name(tensor.data_type).lower()
        found[kind] = found.get(kind, 0) + numpy_helper.to_array(tensor).nbytes
    assert initializer_bytes(model) == found
    assert initializer_bytes(model)["int8"] >= sum(weight.elements for weight in weights(model))


@pytest.mark.parametrize(("kind", "elements", "stored"), [("INT4", 7, 4), ("UINT4", 8, 4), ("FLOAT16", 7, 14)])
def test_packed_types_count_their_packed_bytes(kind: str, elements: int, stored: int) -> None:
    tensor = helper.make_tensor("w", TensorProto.DataType.Value(kind), [elements], [1] * elements)
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    assert len(tensor.raw_data or b"") in {0, stored}
    assert initializer_bytes(model) == {kind.lower(): stored}


def test_a_footprint_carries_every_size(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    save_model(convnet, path)
    print_ = footprint(describe(path, name="a", shown_path="a"))
    assert print_.zstd_bytes == zstd_bytes(path.read_bytes()) > 0
    unpacked = pa.decompress(
        pa.Codec("zstd", compression_level=3).compress(path.read_bytes()), path.stat().st_size, "zstd"
    )
    assert unpacked.to_pybytes() == path.read_bytes()
    assert print_.initializer_bytes == initializer_bytes(convnet)
    assert print_.entropy_bytes == entropy_bytes(convnet) <= sum(print_.initializer_bytes.values())
    assert print_.resident is None
