"""Pictures, in a pool too, a network of every kind of layer, and tensors as a model computes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.ort.tensors import tensor_runner

MakeModel = Callable[..., onnx.ModelProto]
CLASSES = 5


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.float32]:
    """Return (96, 3, 8, 8) float32, not centered, so that means matter."""
    return np.random.default_rng(3).normal(0.4, 1.0, (96, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def pool(pictures: NDArray[np.float32], tmp_path: Path) -> ImagePool:
    return ImagePool([pictures[:50], pictures[50:]], tmp_path / "images")


def _normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng((seed, *shape)).normal(0, 0.5, shape).astype(np.float32)


def _seen(model: onnx.ModelProto, names: list[str], images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the named tensors on images."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    return tensor_runner(copy, names)(images)


@pytest.fixture(scope="session")
def seen() -> Callable[..., list[NDArray[np.float32]]]:
    """Compute named tensors on images: ``seen(model, ["logits"], images)``."""
    return _seen


def _layered(make_model: MakeModel, opset: int = 21) -> onnx.ModelProto:
    """Conv (grouped, no bias), ConvTranspose (grouped), depthwise Conv, Gemm (no transB, beta), MatMul, MatMul + Add."""
    tensors = {
        "w1": _normal(6, 1, 3, 3),
        "wt": _normal(6, 2, 2, 2),
        "bt": _normal(4),
        "wd": _normal(4, 1, 3, 3),
        "bd": _normal(4),
        "wg": _normal(4, 12),
        "bg": _normal(12),
        "wm": _normal(12, 10),
        "wa": _normal(10, CLASSES),
        "ba": _normal(CLASSES),
    }
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["c"], group=3, pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["rc"]),
        helper.make_node("ConvTranspose", ["rc", "wt", "bt"], ["t"], group=2, strides=[2, 2]),
        helper.make_node("Relu", ["t"], ["rt"]),
        helper.make_node("Conv", ["rt", "wd", "bd"], ["d"], group=4),
        helper.make_node("Relu", ["d"], ["rd"]),
        helper.make_node("GlobalAveragePool", ["rd"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "wg", "bg"], ["g"], beta=2.0),
        helper.make_node("Relu", ["g"], ["rg"]),
        helper.make_node("MatMul", ["rg", "wm"], ["m"]),
        helper.make_node("Relu", ["m"], ["rm"]),
        helper.make_node("MatMul", ["rm", "wa"], ["a"]),
        helper.make_node("Add", ["a", "ba"], ["logits"]),
    ]
    return make_model(nodes, tensors, opset=opset)


@pytest.fixture(scope="session")
def layered(make_model: MakeModel) -> Callable[..., onnx.ModelProto]:
    """Make a network of every kind of layer, without BatchNorm: ``layered(opset=13)``."""

    def make(opset: int = 21) -> onnx.ModelProto:
        return _layered(make_model, opset)

    return make
