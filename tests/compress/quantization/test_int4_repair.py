"""4-bit weights after their repair: the same integers with other scales, and a gain that the recipe tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.special import log_softmax

from compress_onnx.compress.quantization.int4_repair import repaired_int4
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import DataError
from compress_onnx.model.files import model_bytes, model_sha256
from compress_onnx.model.metadata import read_embedded

Images = NDArray[np.float32]
Runner = Callable[[onnx.ModelProto, Images], Images]
OPTIONS = QuantizeOptions(cpu="x86-64-vnni", weights="int4")


@pytest.fixture(scope="module")
def many() -> Images:
    return np.random.default_rng(9).normal(0.3, 1, (96, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def repaired(convnet: onnx.ModelProto, many: Images) -> onnx.ModelProto:
    return repaired_int4(convnet, lambda: [many], OPTIONS)


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def gained(model: onnx.ModelProto) -> Any:
    return read_embedded(model).recipe[-1].options


def test_the_repair_multiplies_scales_and_leaves_integers(
    convnet: onnx.ModelProto, repaired: onnx.ModelProto, many: Images
) -> None:
    assert gained(repaired)["repair_strength"] > 0
    plain, better = arrays(quantize_model(convnet, [many], OPTIONS)), arrays(repaired)
    names = [name for name in plain if name.startswith("w") or "Fusion_W" in name]
    integers = [name for name in names if name.endswith("_quantized")]
    assert len(integers) == 3
    for name in integers:
        np.testing.assert_array_equal(better[name].astype(int), plain[name].astype(int))
    assert any(not np.allclose(better[name], plain[name]) for name in names if name.endswith("_scale"))


def test_the_recipe_tells_the_divergence_on_images_that_judge(
    convnet: onnx.ModelProto, repaired: onnx.ModelProto, many: Images, run: Runner
) -> None:
    told = gained(repaired)
    assert told["repair_n"] == 24
    assert told["repair_kl_after"] < told["repair_kl_before"]
    wanted, found = (log_softmax(run(model, many[3::4]).astype(float), axis=1) for model in (convnet, repaired))
    divergence = float((np.exp(wanted) * (wanted - found)).sum(axis=1).mean())
    # Activations are integers in the file, floats in the judgment.
    assert divergence == pytest.approx(told["repair_kl_after"], rel=0.5)
    assert told["weights"] == "int4"
    assert read_embedded(repaired).parent_sha256 == model_sha256(convnet)


def test_bytes_repeat_and_the_argument_stays(convnet: onnx.ModelProto, repaired: onnx.ModelProto, many: Images) -> None:
    before = model_bytes(convnet)
    parts = repaired_int4(convnet, lambda: (many[i : i + 32] for i in range(0, 96, 32)), OPTIONS)
    assert model_bytes(convnet) == before
    assert model_bytes(parts) == model_bytes(repaired)


def test_too_few_images_to_judge_are_refused(convnet: onnx.ModelProto, many: Images) -> None:
    with pytest.raises(DataError, match="at least 8 calibration images, got 7"):
        repaired_int4(convnet, lambda: [many[:7]], OPTIONS)
