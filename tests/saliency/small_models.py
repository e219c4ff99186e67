"""Small models for the tests of the twin, and what it gives for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")

CLASSES = 5


def model_of(nodes: list[onnx.NodeProto], *tensors: onnx.TensorProto, batch: Any = "batch") -> onnx.ModelProto:
    """A model on (batch, 3, 4, 4) whose logits are (batch, 5)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def head(source: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Flatten", [source], ["flat"], "flatten"),
        helper.make_node("MatMul", ["flat", "head"], ["logits"], "head"),
    ]


def head_weight(rows: int = 48) -> onnx.TensorProto:
    weight = np.random.default_rng(1).standard_normal((rows, CLASSES)).astype(np.float32)
    return numpy_helper.from_array(weight, "head")


def logits(twin: Any, images: Any) -> Any:
    with torch.no_grad():
        return twin(torch.from_numpy(images)).numpy()


def input_gradient(module: Any, images: Any, targets: Any) -> Any:
    leaf = torch.from_numpy(images).requires_grad_()
    chosen = module(leaf).gather(1, torch.from_numpy(targets)[:, None]).sum()
    return torch.autograd.grad(chosen, leaf)[0].numpy()
