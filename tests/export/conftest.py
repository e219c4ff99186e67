"""Small modules that stand for what people export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

Images = NDArray[np.float32]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_small() -> Callable[[], Any]:
    """Make one and the same module in training mode whose BatchNorm has seen data."""
    torch = pytest.importorskip("torch")

    class Small(torch.nn.Module):
        """Conv, BatchNorm, ReLU, pool, flatten, linear: logits (N, 5) for images (N, 3, 8, 8)."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 6, 3, padding=1, bias=False)
            self.bn = torch.nn.BatchNorm2d(6)
            self.fc = torch.nn.Linear(96, 5)

        def forward(self, images: Any) -> Any:
            features = torch.nn.functional.max_pool2d(torch.relu(self.bn(self.conv(images))), 2)
            return self.fc(features.view(features.size(0), -1))

    def make() -> Any:
        torch.manual_seed(0)
        module = Small()
        with torch.no_grad():
            module(torch.randn(64, 3, 8, 8) * 2 + 1)
        return module

    return make


@pytest.fixture
def small(make_small: Callable[[], Any]) -> Any:
    return make_small()


@pytest.fixture(scope="session")
def runner() -> Callable[[onnx.ModelProto], Callable[[Images], Images]]:
    def of(model: onnx.ModelProto) -> Callable[[Images], Images]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return lambda images: np.asarray(session.run(None, {"input": images})[0])

    return of
