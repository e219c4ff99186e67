"""A small trained-like network as PyTorch module and as ONNX file, made from the same weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CLASSES = 5
Runner = Callable[..., NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Small:
    """``module`` and ``model`` compute the same; ``images`` (40, 3, 12, 12) float32."""

    module: Any
    model: onnx.ModelProto
    images: NDArray[np.float32]


def classifier(
    nodes: list[onnx.NodeProto],
    tensors: dict[str, NDArray[Any]],
    *,
    opset: int = 21,
    image: tuple[int, ...] = (3, 12, 12),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *image])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="session")
def runtime() -> Runner:
    def run(model: onnx.ModelProto, images: NDArray[np.float32], *, optimized: bool = True) -> NDArray[np.float32]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        level = ort.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: images})[0]

    return run


@pytest.fixture(scope="session")
def small() -> Small:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
            torch.nn.BatchNorm2d(16),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(16 * 3 * 3, CLASSES),
        )
        torch.nn.init.uniform_(module[4].running_mean, -0.1, 0.1)
        torch.nn.init.uniform_(module[4].running_var, 0.05, 0.2)
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(requires_grad=False)
    images = np.random.default_rng(0).standard_normal((40, 3, 12, 12), dtype=np.float32)
    return Small(module=module, model=_as_onnx(module), images=images)


def _as_onnx(module: Any) -> onnx.ModelProto:
    weights = {name: values.numpy() for name, values in module.state_dict().items() if values.ndim}
    node = helper.make_node
    nodes = [
        node("Conv", ["input", "0.weight", "0.bias"], ["a"], "/0/Conv", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], "/1/Relu"),
        node("MaxPool", ["b"], ["c"], "/2/MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["c", "3.weight"], ["d"], "/3/Conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        node(
            "BatchNormalization",
            ["d", "4.weight", "4.bias", "4.running_mean", "4.running_var"],
            ["e"],
            "/4/BatchNormalization",
        ),
        node("Relu", ["e"], ["f"], "/5/Relu"),
        node("Flatten", ["f"], ["g"], "/6/Flatten"),
        node("Gemm", ["g", "7.weight", "7.bias"], ["logits"], "/7/Gemm", transB=1),
    ]
    return classifier(nodes, weights)


class _Calibration:
    """Calibration inputs in the form ``onnxruntime.quantization`` reads."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        self._batches = iter([{"input": images}])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)


def _quantized(small: Small, folder: Path, form: str) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    # A copy: quantize_static moves the weights of the model it is given into files.
    original = onnx.ModelProto()
    original.CopyFrom(small.model)
    quantize_static(
        original,
        folder / "w8a8.onnx",
        _Calibration(small.images),
        quant_format=QuantFormat[form],
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    return onnx.load(folder / "w8a8.onnx")


@pytest.fixture(scope="session")
def quantized(small: Small, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """The small network in W8A8: U8 activations, S8 weights per channel, int32 biases."""
    return _quantized(small, tmp_path_factory.mktemp("quantized"), "QDQ")


@pytest.fixture(scope="session")
def integer_only(small: Small, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """The same in integer operators alone: QLinearConv and QGemm."""
    return _quantized(small, tmp_path_factory.mktemp("integer"), "QOperator")


@pytest.fixture(scope="session")
def stored_in_4_bits(quantized: onnx.ModelProto) -> onnx.ModelProto:
    """Store 4, run 8: INT4 initializers behind Cast(INT4 to INT8), with biases scaled to match."""
    model = onnx.ModelProto()
    model.CopyFrom(quantized)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    casts = []
    for node in model.graph.node:
        tensor = stored.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if tensor is None:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float64) * 7 / 127
        scale = numpy_helper.to_array(stored[node.input[1]]) * np.float32(127 / 7)
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{tensor.name}_scale4"))
        node.input[1] = f"{tensor.name}_scale4"
        if tensor.data_type == TensorProto.INT32:
            model.graph.initializer.append(numpy_helper.from_array(np.rint(values).astype(np.int32), f"{tensor.name}4"))
            node.input[0] = f"{tensor.name}4"
            continue
        nibbles = np.clip(np.rint(values), -8, 7).astype(int).flatten().tolist()
        model.graph.initializer.append(helper.make_tensor(f"{tensor.name}4", TensorProto.INT4, tensor.dims, nibbles))
        casts.append(helper.make_node("Cast", [f"{tensor.name}4"], [f"{tensor.name}8"], to=TensorProto.INT8))
        node.input[0] = f"{tensor.name}8"
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model
