"""A branch reads what it read before, also where the quantizer has taken a ReLU away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.quantization.held_apart import captures_apart
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def branching(make_model: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    """Conv, Relu, and an If whose branches read the rectified tensor, an initializer of the main graph beside it."""
    draws = {"w1": (8, 3, 3, 3), "shift": (1, 8, 1, 1), "head": (5, 8)}
    tensors = {name: RNG.normal(0, 0.5, shape).astype(np.float32) for name, shape in draws.items()}
    tensors |= {"bound": np.float32(1e9)}
    branches = [
        helper.make_graph(
            [
                helper.make_node("Mul", ["r", f"{side}_factor"], [f"{side}_scaled"]),
                helper.make_node("Add", [f"{side}_scaled", "shift"], [f"{side}_out"]),
            ],
            side,
            [],
            [helper.make_tensor_value_info(f"{side}_out", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.float32(factor), f"{side}_factor")],
        )
        for side, factor in (("yes", 2), ("no", 1))
    ]
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["c"], "conv"),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("ReduceMax", ["r"], ["largest"], "max", keepdims=0),
        helper.make_node("Less", ["largest", "bound"], ["small"], "less"),
        helper.make_node("If", ["small"], ["chosen"], "choice", then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("GlobalAveragePool", ["chosen"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "head"], ["logits"], "fc", transB=1),
    ]
    return make_model(nodes, tensors)


def answers(model: onnx.ModelProto, images: NDArray[np.float32]) -> NDArray[np.float32]:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": images})[0])


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_a_branch_reads_the_rectified_values_of_a_quantized_model(branching: onnx.ModelProto, weights: str) -> None:
    images = RNG.normal(0, 1, (64, 3, 8, 8)).astype(np.float32)
    result = quantize_model(branching, [images], QuantizeOptions(cpu="x86-64-avx2", weights=weights))
    wanted, given = answers(branching, images), answers(result, images)
    assert np.corrcoef(wanted.ravel(), given.ravel())[0, 1] > 0.97
    # Unrectified, the branch would see about as many negative values as positive ones.
    assert np.abs(given - wanted).mean() < 0.2 * wanted.std()


def test_what_is_handed_over_answers_as_before_and_a_model_without_branches_is_itself(
    branching: onnx.ModelProto, convnet: onnx.ModelProto
) -> None:
    images = RNG.normal(0, 1, (4, 3, 8, 8)).astype(np.float32)
    apart = captures_apart(branching)
    onnx.checker.check_model(apart)
    assert sum(node.op_type == "Identity" for node in apart.graph.node) == 2
    np.testing.assert_array_equal(answers(apart, images), answers(branching, images))
    assert captures_apart(convnet) is convnet
