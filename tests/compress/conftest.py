"""Calibration batches, and logits as ONNX Runtime gives them without its optimizer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

Runner = Callable[[onnx.ModelProto, NDArray[np.float32]], NDArray[np.float32]]


@pytest.fixture(scope="session")
def images() -> NDArray[np.float32]:
    """Return (12, 3, 8, 8) float32."""
    return np.random.default_rng(5).normal(size=(12, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def run() -> Runner:
    def logits(model: onnx.ModelProto, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"input": inputs})[0])

    return logits
