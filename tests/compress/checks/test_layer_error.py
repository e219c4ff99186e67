"""What rounding explains of a layer's error is what it does."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.checks.layer_error import layer_errors, taps
from compress_onnx.compress.quantization import preparation
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model

Images = NDArray[np.float32]
OPTIONS = QuantizeOptions(cpu="x86-64-avx2")


def test_what_rounding_explains_is_what_it_does(convnet: onnx.ModelProto, images: Images) -> None:
    prepared = preparation.prepare(convnet, [images], OPTIONS)
    result = quantize_model(convnet, [images], OPTIONS)
    for error in layer_errors(prepared.model, result, taps(prepared.model, images), {}):
        assert 0.2 < error.measured.mean() / error.explained.mean() < 3
