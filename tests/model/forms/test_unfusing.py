"""What ONNX Runtime fused gives the same when it is taken apart, by ONNX Runtime's own kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.model.constants.graph_regions import regions
from compress_onnx.model.files import model_bytes
from compress_onnx.model.forms.normalize import normalized, with_plain_tensors
from compress_onnx.model.forms.unfusing import unfused

Array = NDArray[np.float32]
MakeModel = Callable[..., onnx.ModelProto]
MICROSOFT = "com.microsoft"
ACTIVATIONS: dict[str, list[float]] = {
    "Relu": [],
    "Sigmoid": [],
    "Tanh": [],
    "LeakyRelu": [0.3],
    "HardSigmoid": [0.3, 0.4],
    "Clip": [-0.5, 0.75],
}


def logits(model: onnx.ModelProto, images: Array) -> Array:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": images})[0])


def fused(make_model: MakeModel, op: str, shape: tuple[int, ...], **attributes: Any) -> onnx.ModelProto:
    """Flatten, one operator of the runtime, and a MatMul that makes classes where it is no product itself."""
    weight = np.random.default_rng(1).normal(0, 0.2, shape).astype(np.float32)
    inputs = ["flat"] if op == "QuickGelu" else ["flat", "w"]
    last = "y" if op == "QuickGelu" else "logits"
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node(op, inputs, [last], "fused", domain=MICROSOFT, **attributes),
    ]
    if last == "y":
        nodes.append(helper.make_node("MatMul", ["y", "w"], ["logits"]))
    return make_model(nodes, {"w": weight}, domains=(MICROSOFT,))


def expect_the_same(model: onnx.ModelProto, images: Array, kinds: set[str]) -> None:
    before = model_bytes(model)
    for form in (with_plain_tensors(model), normalized(model)):
        assert not kinds & {node.op_type for node in form.graph.node}
        assert {node.domain for node in form.graph.node} == {""}
        np.testing.assert_allclose(logits(form, images), logits(model, images), rtol=1e-4, atol=1e-5)
    assert model_bytes(model) == before


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("added", [False, True])
def test_a_convolution_with_a_sum_and_an_activation(
    make_model: MakeModel,
    images: Array,
    kind: str,
    added: bool,  # noqa: FBT001  # two cases
) -> None:
    inputs = ["input", "k", "b", *(["input"] if added else [])]
    nodes = [
        helper.make_node(
            "FusedConv",
            inputs,
            ["c"],
            domain=MICROSOFT,
            pads=[1] * 4,
            activation=kind,
            **({"activation_params": ACTIVATIONS[kind]} if ACTIVATIONS[kind] else {}),
        ),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["logits"]),
    ]
    rng = np.random.default_rng(2)
    tensors = {"k": (3, 3, 3, 3), "b": (3,), "m": (192, 5)}
    arrays = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in tensors.items()}
    expect_the_same(make_model(nodes, arrays, domains=(MICROSOFT,)), images, {"FusedConv"})


def test_a_gemm_with_an_activation(make_model: MakeModel, images: Array) -> None:
    model = fused(make_model, "FusedGemm", (5, 192), transB=1, activation="LeakyRelu", activation_alpha=0.2)
    expect_the_same(model, images, {"FusedGemm"})


@pytest.mark.parametrize("alpha", [1.0, 0.25])
@pytest.mark.parametrize("turned", [0, 1])
def test_a_product_turned_and_scaled(make_model: MakeModel, images: Array, alpha: float, turned: int) -> None:
    model = fused(make_model, "FusedMatMul", (5, 192) if turned else (192, 5), transB=turned, alpha=alpha)
    expect_the_same(model, images, {"FusedMatMul"})


def test_quick_gelu(make_model: MakeModel, images: Array) -> None:
    expect_the_same(fused(make_model, "QuickGelu", (192, 5), alpha=1.5), images, {"QuickGelu"})


@pytest.mark.parametrize(
    ("op", "attributes"), [("FusedGemm", {"activation": "Softplus"}), ("FusedMatMul", {"transBatchA": 1}), ("Gelu", {})]
)
def test_what_is_not_known_stays(make_model: MakeModel, op: str, attributes: dict[str, Any]) -> None:
    model = fused(make_model, op, (192, 5), **attributes) if op != "Gelu" else fused(make_model, "QuickGelu", (192, 5))
    model.graph.node[1].op_type = op
    (main,) = regions(model)
    assert unfused(model.graph.node[1], main) is None
