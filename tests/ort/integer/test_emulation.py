"""Whole models added as either kind of CPU adds: against the runtime here, and against float arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.ort.integer.emulation import EmulatedModel, expect_measured, fused
from compress_onnx.ort.integer.probe import saturates

IMAGE = (3, 8, 8)
CLASSES = 5


def network(batch: int | str = "batch") -> onnx.ModelProto:
    """Two convolutions with a skip connection, a depthwise one, pooling and a head, random weights."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (16, 3, 3, 3), "b1": (16,), "w2": (16, 16, 3, 3), "w3": (16, 1, 3, 3), "w4": (16, CLASSES)}
    tensors = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    node = helper.make_node
    nodes = [
        node("Conv", ["input", "w1", "b1"], ["c1"], pads=[1] * 4),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2"], ["c2"], "second", pads=[1] * 4),
        node("Add", ["c2", "r1"], ["a"]),
        node("Relu", ["a"], ["r2"]),
        node("Conv", ["r2", "w3"], ["c3"], "depthwise", pads=[1] * 4, group=16),
        node("GlobalAveragePool", ["c3"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("MatMul", ["f", "w4"], ["logits"], "head"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, *IMAGE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(24, *IMAGE)).astype(np.float32)


class Calibration:
    def __init__(self, images: NDArray[np.float32]) -> None:
        self._feeds = iter([{"input": images}])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def quantized(images: NDArray[np.float32], folder: Path, form: str, **options: Any) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    quantize_static(
        network(),
        folder / "q.onnx",
        Calibration(images),
        quant_format=QuantFormat[form],
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        **options,
    )
    return onnx.load(folder / "q.onnx")


@pytest.mark.cpu
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_network_answers_as_on_this_cpu_and_otherwise_on_the_other_kind(
    images: NDArray[np.float32], tmp_path: Path, runtime: Any, form: str
) -> None:
    model = quantized(images, tmp_path, form)
    source, expected = fused(model), runtime(model, images)
    assert {node.name for node in source.at_risk} >= (
        {"second_quant", "head_quant"} if form == "QOperator" else {"second", "head"}
    )
    here, there = (EmulatedModel(source, saturating=way) for way in (saturates(), not saturates()))
    np.testing.assert_allclose(here.logits(images), expected, atol=1.01 * np.diff(np.unique(expected)).min())
    assert (here.logits(images) == expected).mean() > 0.95
    assert np.abs(there.logits(images) - expected).max() > 3 * np.diff(np.unique(expected)).min()


@pytest.mark.cpu
def test_a_dynamically_quantized_network_is_added_alike(
    images: NDArray[np.float32], tmp_path: Path, runtime: Any
) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(network(), tmp_path / "d.onnx", weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
    model = onnx.load(tmp_path / "d.onnx")
    source = fused(model)
    assert [node.op for node in source.nodes] == ["MatMulIntegerToFloat"]
    got = EmulatedModel(source, saturating=saturates()).logits(images)
    np.testing.assert_allclose(got, runtime(model, images), atol=1e-4)


def test_nothing_is_computed_here_where_no_pair_can_overflow(
    images: NDArray[np.float32], tmp_path: Path, runtime: Any
) -> None:
    model = quantized(images, tmp_path, "QDQ", reduce_range=True)
    source = fused(model)
    assert source.nodes
    assert not source.at_risk
    for saturating in (True, False):
        got = EmulatedModel(source, saturating=saturating).logits(images)
        np.testing.assert_array_equal(got, runtime(model, images))


def test_exact_sums_are_those_of_the_float_graph_to_a_step(images: NDArray[np.float32], tmp_path: Path) -> None:
    import onnxruntime as ort

    model = quantized(images, tmp_path, "QDQ")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = ort.InferenceSession(model.SerializeToString(), options).run(None, {"input": images})[0]
    got = EmulatedModel(fused(model), saturating=False).logits(images)
    assert np.abs(got - plain).max() <= 1.01 * np.diff(np.unique(plain)).min()


# ------------------------------------------------------------------------------------- never measured


def attention(images: NDArray[np.float32]) -> onnx.ModelProto:
    """A QAttention, whose kernel nobody measured, after the quantized image."""
    rng = np.random.default_rng(0)
    tensors = {
        "s": np.float32(0.05),
        "z": np.uint8(128),
        "w": rng.integers(-127, 128, (8, 24)).astype(np.int8),
        "ws": np.float32(0.01),
        "b": np.zeros(24, np.float32),
        "wz": np.int8(0),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "s", "z"], ["q"]),
        helper.make_node(
            "QAttention",
            ["q", "w", "b", "s", "ws", "", "z", "wz"],
            ["logits"],
            "attend",
            domain="com.microsoft",
            num_heads=2,
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 6, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def computed_weights() -> onnx.ModelProto:
    """A MatMulInteger of two computed tensors, uint8 by int8."""
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "s", "z"], ["a"]),
        helper.make_node("QuantizeLinear", ["input", "s", "y"], ["b"]),
        helper.make_node("MatMulInteger", ["a", "b", "z", "y"], ["i"], "product"),
        helper.make_node("Cast", ["i"], ["logits"], to=TensorProto.FLOAT),
    ]
    tensors = {"s": np.float32(0.05), "z": np.uint8(128), "y": np.int8(0)}
    graph = helper.make_graph(
        nodes,
        "computed",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def inside_a_branch(images: NDArray[np.float32], folder: Path) -> onnx.ModelProto:
    """The quantized network as one branch of an If."""
    inner = quantized(images, folder, "QOperator")
    body = inner.graph
    body.name = "branch"
    del body.input[:]
    other = helper.make_graph(
        [helper.make_node("Mul", ["picked", "two"], ["doubled"])],
        "other",
        [],
        [helper.make_tensor_value_info("doubled", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.float32(2), "two")],
    )
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["largest"], keepdims=0),
        helper.make_node("Less", ["largest", "bound"], ["small"]),
        helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "turn"], ["picked"]),
        helper.make_node("If", ["small"], ["logits"], "choice", then_branch=body, else_branch=other),
    ]
    tensors = {
        "bound": np.float32(1e9),
        "axes": np.array([2, 3]),
        "turn": np.ones((3, CLASSES), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", *IMAGE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def test_kernels_that_were_never_measured_are_named_not_guessed(images: NDArray[np.float32], tmp_path: Path) -> None:
    for model, named in (
        (attention(images), "got QAttention in node 'attend': it cannot be simulated"),
        (computed_weights(), "got MatMulInteger in node 'product': it cannot be simulated"),
        (inside_a_branch(images, tmp_path), "got QLinearConv in node .* and [0-9]+ more: it cannot be simulated"),
    ):
        with pytest.raises(ModelError, match=named):
            expect_measured(fused(model), "x86-64-avx2", where="file.onnx")


def test_a_graph_with_branches_and_captured_tensors_is_cut_and_run(
    images: NDArray[np.float32], tmp_path: Path, runtime: Any
) -> None:
    """The branch itself is float; it reads what an integer node at risk made."""
    model = quantized(images, tmp_path, "QDQ")
    end = model.graph.node[-1]
    assert end.output[0] == "logits"
    end.output[0] = "scores"
    branches = [
        helper.make_graph(
            [helper.make_node("Mul", ["scores", name], [f"{name}_scores"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_scores", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.float32(factor), name)],
        )
        for name, factor in (("twice", 2), ("half", 0.5))
    ]
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["scores"], ["top"], keepdims=0),
            helper.make_node("Greater", ["top", "zero_f"], ["positive"]),
            helper.make_node("If", ["positive"], ["logits"], then_branch=branches[0], else_branch=branches[1]),
        ]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "zero_f"))
    onnx.checker.check_model(model)
    got = EmulatedModel(fused(model), saturating=saturates()).logits(images)
    expected = runtime(model, images)
    assert np.abs(got - expected).max() <= 2.02 * np.diff(np.unique(expected)).min()
