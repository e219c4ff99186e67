"""Quantize and Dequantize: what ONNX Runtime computes, with straight-through gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.quantization import (  # noqa: E402
    CONVERTERS,
    FakeQuantize,
    Quantize,
    RectifyingFakeQuantize,
    RectifyingQuantize,
)
from compress_onnx.saliency.twin import build_twin  # noqa: E402
from tests.saliency.small_models import CLASSES, head, head_weight, input_gradient, logits, model_of  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(name for name in CONVERTERS if "::" not in name))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)


def test_weights_are_dequantized_exactly(small: Any, quantized: Any) -> None:
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantized.graph.initializer}
    node = next(node for node in quantized.graph.node if node.input[0] == "3.weight_quantized")
    scale = stored[node.input[1]][:, None, None, None]
    expected = stored["3.weight_quantized"].astype(np.float32) * scale
    convolutions = [module for module in build_twin(quantized).modules() if isinstance(module, torch.nn.Conv2d)]
    np.testing.assert_array_equal(convolutions[1].weight.numpy(), expected)


def test_the_gradient_passes_straight_through_and_is_zero_where_the_value_clips() -> None:
    scale = numpy_helper.from_array(np.float32(0.1), "scale")
    zero = numpy_helper.from_array(np.uint8(10), "zero")
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"], "q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], "d"),
        *head("d"),
    ]
    twin = build_twin(model_of(nodes, scale, zero, head_weight()))
    images = np.linspace(-3, 27, 48, dtype=np.float32).reshape(1, 3, 4, 4)
    got = input_gradient(twin, images, np.array([2]))
    straight = numpy_helper.to_array(head_weight())[:, 2].reshape(images.shape)
    # uint8 with zero point 10 and scale 0.1 says -1.0 to 24.5.
    inside = (images >= -1.05) & (images <= 24.55)
    assert (~inside).any()
    np.testing.assert_allclose(got, np.where(inside, straight, 0), rtol=1e-6)


def test_halves_are_rounded_to_even_before_the_zero_point_as_in_onnx_runtime(runtime: Any) -> None:
    # With an odd zero point, rounding after adding it would send every half the other way.
    scale, zero = numpy_helper.from_array(np.float32(1), "scale"), numpy_helper.from_array(np.uint8(101), "zero")
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"], "q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], "d"),
        *head("d"),
    ]
    model = model_of(nodes, scale, zero, numpy_helper.from_array(np.eye(48, CLASSES, dtype=np.float32), "head"))
    images = np.zeros((1, 3, 4, 4), np.float32)
    images.reshape(-1)[:CLASSES] = [0.5, 1.5, 2.5, -0.5, -1.5]
    expected = runtime(model, images, optimized=False)
    assert logits(build_twin(model), images).tolist() == expected.tolist() == [[0, 2, 2, 0, -2]]


def test_activations_may_have_a_scale_per_channel(runtime: Any) -> None:
    scale = numpy_helper.from_array(np.array([0.1, 0.5, 2.0], np.float32), "scale")
    zero = numpy_helper.from_array(np.array([0, 3, -7], np.int8), "zero")
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"], "q", axis=1),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], "d", axis=1),
        *head("d"),
    ]
    model = model_of(nodes, scale, zero, head_weight())
    images = np.random.default_rng(0).standard_normal((3, 3, 4, 4), dtype=np.float32) * 4
    np.testing.assert_allclose(logits(build_twin(model), images), runtime(model, images, optimized=False), atol=1e-4)


def test_int4_weights_in_blocks_are_dequantized_exactly(runtime: Any) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-8, 8, (48, CLASSES))
    stored = helper.make_tensor("stored", TensorProto.INT4, values.shape, values.flatten().tolist())
    scales = numpy_helper.from_array(rng.random((3, CLASSES), dtype=np.float32), "scales")
    nodes = [
        helper.make_node("DequantizeLinear", ["stored", "scales"], ["head"], "w", axis=0, block_size=16),
        *head("input"),
    ]
    model = model_of(nodes, stored, scales)
    images = rng.standard_normal((3, 3, 4, 4), dtype=np.float32)
    twin = build_twin(model)
    expected = values * np.repeat(numpy_helper.to_array(scales), 16, axis=0)
    np.testing.assert_array_equal(twin.get_submodule("head").weight.numpy().T, expected.astype(np.float32))
    # With the optimizer on, ONNX Runtime computes such a product with int8 activations.
    np.testing.assert_allclose(logits(twin, images), runtime(model, images, optimized=False), rtol=1e-4, atol=1e-4)


VALUES = np.concatenate([np.linspace(-40, 40, 161), [-1e6, 1e6]]).astype(np.float32)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("point", [0, 5])
def test_levels_are_those_of_the_reference_in_every_integer_type(module_of: Any, kind: Any, point: int) -> None:
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    known = {"s": np.float32(0.25), "z": kind(point)}
    limits = np.iinfo(kind)
    got = module_of(node, known)(torch.from_numpy(VALUES)).numpy()
    np.testing.assert_array_equal(got, np.clip(np.rint(VALUES / 0.25) + point, limits.min, limits.max))


def test_without_zero_point_integers_are_unsigned_bytes_unless_told_otherwise(module_of: Any) -> None:
    known = {"s": np.float32(0.25)}
    plain = module_of(helper.make_node("QuantizeLinear", ["x", "s"], ["y"]), known)
    signed = module_of(helper.make_node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=TensorProto.INT4), known)
    extremes = torch.tensor([-1e6, 1e6])
    assert plain(extremes).tolist() == [0, 255]
    assert signed(extremes).tolist() == [-8, 7]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_levels_become_values_again_with_a_scale_per_channel(like_reference: Any, axis: int) -> None:
    levels = np.arange(27, dtype=np.int8).reshape(3, 3, 3) - 13
    arrays = {"q": levels, "s": np.float32([0.5, 2, 0.1]), "z": np.int8([0, 1, -2])}
    like_reference(helper.make_node("DequantizeLinear", list(arrays), ["y"], axis=axis), arrays)
    like_reference(helper.make_node("DequantizeLinear", list(arrays), ["y"], axis=axis), arrays, running=0)


def test_a_wide_bias_loses_nothing_before_its_scale(module_of: Any) -> None:
    """2**24 + 1 is no float32: subtracted there, the zero point would not bring it back."""
    levels, point = np.int32([2**24 + 1, 2**24 + 3]), np.int32(2**24)
    known = {"q": levels, "s": np.float32(1), "z": point}
    module = module_of(helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=0), known)
    assert module(torch.from_numpy(levels)).tolist() == [1, 3]


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_one_fake_quantization_is_quantize_then_dequantize(shift: float) -> None:
    point = 3
    fake = FakeQuantize(torch.tensor(0.3), -point, 255 - point, shift)
    levels = np.clip(np.rint(VALUES / np.float32(0.3) + np.float32(shift)) - shift + point, 0, 255)
    np.testing.assert_allclose(fake(torch.from_numpy(VALUES)).numpy(), (levels - point) * np.float32(0.3), rtol=1e-6)


def test_with_a_shift_halves_go_to_the_even_level_counted_with_the_zero_point() -> None:
    quantize = Quantize(torch.tensor(1.0), torch.tensor(101.0), 1, (0, 255))
    halves = torch.tensor([0.5, 1.5, 2.5])
    assert (quantize(halves) - 101).tolist() == [0, 2, 2]
    quantize.shifted = True
    assert (quantize(halves) - 101).tolist() == [1, 1, 3]


def test_the_outermost_levels_keep_the_gradient_of_all_that_is_rounded_to_them() -> None:
    values = torch.tensor([-10.4, -10.6, 0.0, 245.4, 245.6], requires_grad=True)
    for module in (
        FakeQuantize(torch.tensor(1.0), -10, 245),
        Quantize(torch.tensor(1.0), torch.tensor(10.0), 1, (0, 255)),
    ):
        (gradient,) = torch.autograd.grad(module(values).sum(), values)
        assert gradient.tolist() == [1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("kind", "plain", "arguments"),
    [
        (RectifyingFakeQuantize, FakeQuantize, (torch.tensor(0.1), 0, 255)),
        (RectifyingQuantize, Quantize, (torch.tensor(0.1), torch.tensor(0.0), 1, (0, 255))),
    ],
)
def test_what_took_a_relu_s_place_computes_as_before_and_is_found_as_one(kind: Any, plain: Any, arguments: Any) -> None:
    values = torch.from_numpy(VALUES)
    assert isinstance(kind(*arguments), torch.nn.ReLU)
    assert not isinstance(plain(*arguments), torch.nn.ReLU)
    assert torch.equal(kind(*arguments)(values), plain(*arguments)(values))
    assert (kind(*arguments)(values) >= 0).all()


@pytest.mark.parametrize(
    ("node", "what"),
    [
        (
            helper.make_node("QuantizeLinear", ["x", "s"], ["y"], "n", output_dtype=TensorProto.FLOAT8E4M3FN),
            "QuantizeLinear with integers of type float8e4m3fn",
        ),
        (
            helper.make_node("QuantizeLinear", ["x", "s"], ["y"], "n", block_size=2),
            "QuantizeLinear with blocks on activations",
        ),
        (
            helper.make_node("DequantizeLinear", ["x", "s"], ["y"], "n", block_size=2),
            "DequantizeLinear with blocks on activations",
        ),
        (helper.make_node("QuantizeLinear", ["x", "t"], ["y"], "n"), "QuantizeLinear with input 1 that is computed"),
    ],
)
def test_what_is_not_handled_is_one_sentence(module_of: Any, node: onnx.NodeProto, what: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=rf"got {what}.*\(node 'n'\)"):
        module_of(node, {"s": np.float32([0.5])})
