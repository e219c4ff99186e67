"""What a file weighs, against Python's own zip and plain counting."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import ModelError
from compress_onnx.model.artifact import describe, footprint, zip_bytes
from compress_onnx.model.files import model_sha256, save_model
from compress_onnx.records.artifacts import Precision, RecipeStep

WEIGHTS = 8 * 27 + 8 * 18 + 40


@pytest.mark.parametrize("size", [0, 1, 5000, (1 << 20) + 17])
def test_zip_bytes_are_those_of_a_zip_archive(tmp_path: Path, size: int) -> None:
    path = tmp_path / "content"
    path.write_bytes(np.random.default_rng(0).integers(0, 30, size, dtype=np.uint8).tobytes())
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.write(path, "content")
        assert zip_bytes(path.read_bytes()) == archive.getinfo("content").compress_size


def test_a_float_file_is_described(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    save_model(convnet, path)
    artifact = describe(path, name="base", shown_path="models/a.onnx")
    content = path.read_bytes()
    assert (artifact.name, artifact.path) == ("base", "models/a.onnx")
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert (artifact.precision, artifact.opset, artifact.sparsity) == (Precision.FP32, 21, 0.0)
    assert (artifact.file_bytes, artifact.zip_bytes) == (len(content), zip_bytes(content))
    assert artifact.weights == artifact.nonzero_weights == WEIGHTS
    assert (artifact.parent_sha256, artifact.recipe, artifact.warnings) == (None, (), ())


def test_zeros_make_the_zip_smaller_but_not_the_file(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    described = []
    for sparsity in (0.0, 0.8):
        path = tmp_path / f"{sparsity}.onnx"
        save_model(prune_model(convnet, PruneOptions(sparsity=sparsity)), path)
        described.append(describe(path, name="p", shown_path=path.name))
    dense, sparse = described
    assert sparse.nonzero_weights == WEIGHTS - WEIGHTS * 8 // 10
    assert sparse.sparsity == pytest.approx(1 - sparse.nonzero_weights / WEIGHTS)
    assert sparse.file_bytes == dense.file_bytes
    assert sparse.zip_bytes < dense.zip_bytes


def test_sparsity_of_int8_weights_counts_stored_zeros(
    convnet: onnx.ModelProto, images: NDArray[np.float32], tmp_path: Path
) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.5))
    quantized = quantize_model(pruned, [images], QuantizeOptions(cpu="x86-64-vnni"))
    save_model(quantized, tmp_path / "q.onnx")
    artifact = describe(tmp_path / "q.onnx", name="q", shown_path="q.onnx")
    stored = [numpy_helper.to_array(t) for t in quantized.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    zeros = sum(int(np.count_nonzero(values == 0)) for values in stored if values.ndim >= 2)
    assert artifact.precision == Precision.W8A8
    assert artifact.weights == WEIGHTS
    assert artifact.nonzero_weights == WEIGHTS - zeros
    assert artifact.sparsity >= 0.5
    assert [step.name for step in artifact.recipe] == ["prune", "quantize"]
    assert artifact.parent_sha256 == model_sha256(pruned)


def test_a_known_recipe_replaces_that_of_the_file(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    save_model(prune_model(convnet, PruneOptions()), tmp_path / "a.onnx")
    timed = (RecipeStep(name="prune", options={}, seconds=1.5),)
    assert describe(tmp_path / "a.onnx", name="a", shown_path="a", recipe=timed).recipe == timed


def test_the_footprint_is_a_part_of_the_description(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    save_model(convnet, tmp_path / "a.onnx")
    artifact = describe(tmp_path / "a.onnx", name="a", shown_path="a")
    part = footprint(artifact)
    assert (part.file_bytes, part.zip_bytes) == (artifact.file_bytes, artifact.zip_bytes)
    assert (part.weights, part.nonzero_weights) == (WEIGHTS, WEIGHTS)


def test_what_is_no_model_cannot_be_described(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no file"):
        describe(tmp_path / "none.onnx", name="a", shown_path="a")
