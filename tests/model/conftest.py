"""Calibration images, and quantized weights in the forms that tools write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

MakeModel = Callable[..., onnx.ModelProto]


@pytest.fixture(scope="session")
def images() -> NDArray[np.float32]:
    """Return (12, 3, 8, 8) float32."""
    return np.random.default_rng(5).normal(size=(12, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def dequantized(make_model: MakeModel) -> Callable[..., onnx.ModelProto]:
    """Make Flatten and MatMul whose (192, 5) weight comes through DequantizeLinear, optionally through Cast."""

    def build(
        stored: onnx.TensorProto, point: onnx.TensorProto | None, scales: tuple[int, ...], **options: Any
    ) -> onnx.ModelProto:
        cast_to = options.pop("cast_to", None)
        nodes = [] if cast_to is None else [helper.make_node("Cast", ["w"], ["wide"], to=cast_to)]
        names = ["w" if cast_to is None else "wide", "scale", *([] if point is None else ["point"])]
        nodes += [
            helper.make_node("DequantizeLinear", names, ["real"], **options),
            helper.make_node("Flatten", ["input"], ["flat"]),
            helper.make_node("MatMul", ["flat", "real"], ["logits"]),
        ]
        tensors = {"w": stored, "scale": np.full(scales, 0.1, np.float32)}
        return make_model(nodes, tensors | ({} if point is None else {"point": point}))

    return build
