"""Small classifiers of 3x8x8 images into five classes, in FP32 and quantized in several ways."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

IMAGE = (3, 8, 8)
CLASSES = 5
SHAPES = {"w1": (16, *IMAGE[:1], 3, 3), "b1": (16,), "w2": (16, 16, 3, 3), "b2": (16,), "w3": (5, 1024), "b3": (5,)}


def classifier(batch: int | str = "batch") -> onnx.ModelProto:
    """Conv, Relu, Conv, Add, Relu, Flatten, Gemm."""
    nodes = [
        helper.make_node("Conv", ["input", "w1", "b1"], ["c1"], name="conv1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv2", pads=[1] * 4),
        helper.make_node("Add", ["c2", "r1"], ["a"], name="add"),
        helper.make_node("Relu", ["a"], ["r2"], name="relu2"),
        helper.make_node("Flatten", ["r2"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["logits"], name="fc", transB=1),
    ]
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in SHAPES.items()}
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, *IMAGE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


class Calibration(CalibrationDataReader):
    def __init__(self, images: NDArray[np.float32]) -> None:
        self._feeds = iter({"input": image[None]} for image in images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


@pytest.fixture(scope="session")
def images() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(23, *IMAGE)).astype(np.float32)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def fp32(folder: Path) -> Path:
    onnx.save(classifier(), folder / "fp32.onnx")
    return folder / "fp32.onnx"


@pytest.fixture(scope="session")
def fixed4(folder: Path) -> Path:
    onnx.save(classifier(batch=4), folder / "fixed4.onnx")
    return folder / "fixed4.onnx"


@pytest.fixture(scope="session")
def quantized(fp32: Path, images: NDArray[np.float32], folder: Path) -> Callable[..., Path]:
    """Quantize the classifier with ONNX Runtime's own tool: ``quantized("QUInt8", "QInt8")``."""

    def build(activation: str, weight: str, **options: object) -> Path:
        path = folder / f"{activation}-{weight}-{len(options)}.onnx"
        quantize_static(
            fp32,
            path,
            Calibration(images[:8]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType[activation],
            weight_type=QuantType[weight],
            **options,
        )
        return path

    return build


@pytest.fixture(scope="session")
def u8s8(quantized: Callable[..., Path]) -> Path:
    return quantized("QUInt8", "QInt8")


@pytest.fixture
def edited(fp32: Path, tmp_path: Path) -> Callable[[Callable[[onnx.ModelProto], None]], Path]:
    """Save a copy of the classifier after an edit."""

    def build(edit: Callable[[onnx.ModelProto], None]) -> Path:
        model = onnx.load(fp32)
        edit(model)
        onnx.save(model, tmp_path / "edited.onnx")
        return tmp_path / "edited.onnx"

    return build


@pytest.fixture
def emulated() -> str:
    """The name of an emulated CPU without VNNI."""
    if shutil.which("qemu-x86_64") is None or platform.machine() != "x86_64":
        pytest.skip("no qemu-x86_64 on this machine, or no x86-64 machine: apt-get install qemu-user")
    return "qemu:haswell"
