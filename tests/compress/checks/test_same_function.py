"""A step that changes what a network computes is caught on real images or made ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.checks.same_function import made_images
from compress_onnx.compress.quantization import preparation
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import SelfCheckError
from compress_onnx.model.metadata import Embedded, write_embedded
from compress_onnx.records.artifacts import Preprocessing

Images = NDArray[np.float32]
OPTIONS = QuantizeOptions(cpu="x86-64-avx2")


def changed(model: onnx.ModelProto, name: str, edit: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(edit(numpy_helper.to_array(tensor).copy()), name))


def test_a_lost_beta_is_caught(convnet: onnx.ModelProto, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(convnet)
    model.graph.node[-1].attribute.append(helper.make_attribute("beta", 3.0))

    def lost(given: onnx.ModelProto) -> onnx.ModelProto:
        plain = real(given)
        changed(plain, plain.graph.node[-1].input[2], lambda values: (values / 3).astype(np.float32))
        return plain

    real = preparation.float_form
    monkeypatch.setattr(preparation, "float_form", lost)
    with pytest.raises(SelfCheckError, match=r"source's outputs.*\(folding\)"):
        quantize_model(model, [images], OPTIONS)


def test_made_images_have_the_model_s_range_and_repeat(convnet: onnx.ModelProto) -> None:
    known = Preprocessing(height=8, width=8, mean=(0.5, 0.4, 0.3), std=(0.2,) * 3)
    model = write_embedded(convnet, Embedded(preprocessing=known))
    made = made_images(model)
    assert made.shape == (2, 3, 8, 8)
    assert np.allclose(made[:, 1].min(), -2, atol=0.1)
    assert np.allclose(made[:, 1].max(), 3, atol=0.1)
    assert np.array_equal(made, made_images(model))
