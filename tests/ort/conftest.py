"""A small classifier as a file, one integer operator as a model, and CPUs of both kinds to run it on."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Runner = Callable[[onnx.ModelProto, NDArray[Any]], NDArray[Any]]


def _one_node(
    node: onnx.NodeProto, tensors: Mapping[str, Any], given: NDArray[Any], result: int = onnx.TensorProto.UINT8
) -> onnx.ModelProto:
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(given.dtype), list(given.shape))],
        [helper.make_tensor_value_info("y", result, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


@pytest.fixture(scope="session")
def one_node() -> Callable[..., onnx.ModelProto]:
    """Make a model of one node from ``x`` to ``y``."""
    return _one_node


@pytest.fixture(scope="session")
def runtime() -> Runner:
    """Run a model's only input through ONNX Runtime on this CPU."""

    def run(model: onnx.ModelProto, given: NDArray[Any]) -> NDArray[Any]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {session.get_inputs()[0].name: given})[0])

    return run


@pytest.fixture
def emulated() -> str:
    """The name of an emulated CPU without VNNI."""
    if shutil.which("qemu-x86_64") is None or platform.machine() != "x86_64":
        pytest.skip("no qemu-x86_64 on this machine, or no x86-64 machine: apt-get install qemu-user")
    return "qemu:haswell"


@pytest.fixture(scope="session")
def images() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(23, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def fp32(convnet: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ort") / "fp32.onnx"
    onnx.save(convnet, path)
    return path


@pytest.fixture
def edited(convnet: onnx.ModelProto, tmp_path: Path) -> Callable[[Callable[[onnx.ModelProto], None]], Path]:
    """Save a copy of the classifier after an edit."""

    def build(edit: Callable[[onnx.ModelProto], None]) -> Path:
        model = onnx.ModelProto()
        model.CopyFrom(convnet)
        edit(model)
        onnx.save(model, tmp_path / "edited.onnx")
        return tmp_path / "edited.onnx"

    return build
