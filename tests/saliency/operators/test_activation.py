"""Activations against ONNX's reference, and as the modules that hooks look for."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.activation import CONVERTERS  # noqa: E402

VALUES = np.concatenate([np.linspace(-8, 8, 41), [0, -0.0, 6, 30, -30]]).astype(np.float32).reshape(2, -1)
PLAIN = ("Erf", "HardSwish", "Mish", "Relu", "Sigmoid", "Softplus", "Softsign", "Tanh")


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(name for name in CONVERTERS if "::" not in name))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        *((name, {}) for name in PLAIN),
        ("Celu", {"alpha": 0.7}),
        ("Elu", {}),
        ("Elu", {"alpha": 2.0}),
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
        ("HardSigmoid", {}),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.1}),
        ("LeakyRelu", {}),
        ("LeakyRelu", {"alpha": -0.5}),
        ("LogSoftmax", {"axis": 0}),
        ("Selu", {}),
        ("Selu", {"alpha": 3.0, "gamma": 0.5}),
        ("Softmax", {}),
        ("Softmax", {"axis": 0}),
        ("ThresholdedRelu", {}),
        ("ThresholdedRelu", {"alpha": 2.5}),
    ],
)
def test_a_value_becomes_what_onnx_s_reference_makes_of_it(
    like_reference: Any, operator: str, attributes: dict[str, Any]
) -> None:
    like_reference(helper.make_node(operator, ["x"], ["y"], **attributes), {"x": VALUES})


@pytest.mark.parametrize("attributes", [{}, {"alpha": 0.0}, {"alpha": 2.0}])
def test_swish_is_the_value_times_its_sigmoid(module_of: Any, attributes: dict[str, float]) -> None:
    got = module_of(helper.make_node("Swish", ["x"], ["y"], **attributes))(torch.from_numpy(VALUES)).numpy()
    x = VALUES.astype(np.float64)
    np.testing.assert_allclose(got, x / (1 + np.exp(-attributes.get("alpha", 1.0) * x)), rtol=1e-5, atol=1e-6)


def test_microsoft_s_gelu_is_the_exact_one_of_onnx_runtime(module_of: Any) -> None:
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, VALUES.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, VALUES.shape)],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(
        module_of(node)(torch.from_numpy(VALUES)).numpy(), session.run(None, {"x": VALUES})[0], atol=1e-5
    )


def test_prelu_has_a_slope_per_channel(like_reference: Any) -> None:
    images = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
    slopes = np.array([0.1, -0.5, 2.0], np.float32).reshape(3, 1, 1)
    like_reference(helper.make_node("PRelu", ["x", "s"], ["y"]), {"x": images, "s": slopes})


@pytest.mark.parametrize("bounds", [(), ("low",), ("", "high"), ("low", "high")])
def test_either_bound_of_a_clip_may_be_missing(like_reference: Any, bounds: tuple[str, ...]) -> None:
    given = {name: values for name, values in (("low", np.float32(-1.5)), ("high", np.float32(2.5))) if name in bounds}
    arrays = {"x": VALUES} | {name: np.asarray(value) for name, value in given.items()}
    like_reference(helper.make_node("Clip", ["x", *bounds], ["y"]), arrays)


def test_bounds_are_attributes_before_opset_11(like_reference: Any) -> None:
    like_reference(helper.make_node("Clip", ["x"], ["y"], min=-1.0, max=3.0), {"x": VALUES}, opset=6)


def test_a_clip_to_0_and_6_is_the_rectifier_that_guided_backpropagation_knows(module_of: Any) -> None:
    node = helper.make_node("Clip", ["x", "low", "high"], ["y"])
    low, six, seven = (np.asarray(value, np.float32) for value in (0, 6, 7))
    assert isinstance(module_of(node, {"low": low, "high": six}), torch.nn.ReLU6)
    assert not isinstance(module_of(node, {"low": low, "high": seven}), torch.nn.ReLU6)
    assert isinstance(module_of(helper.make_node("Relu", ["x"], ["y"])), torch.nn.ReLU)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_a_softmax_of_before_opset_13_is_refused(module_of: Any, operator: str) -> None:
    node = helper.make_node(operator, ["x"], ["y"], "last")
    with pytest.raises(
        UnsupportedOperatorError, match=rf"got {operator} with the meaning it had before opset 13.*last"
    ):
        module_of(node, opset=12)


def test_a_bound_that_is_computed_is_refused(module_of: Any) -> None:
    with pytest.raises(UnsupportedOperatorError, match="got Clip with input 1 that is computed"):
        module_of(helper.make_node("Clip", ["x", "low"], ["y"], "clip"))
