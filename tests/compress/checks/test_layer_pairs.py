"""Layers of two models side by side: each sees its own input, and gives what it gives in its network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.compress.checks.layer_error import taps
from compress_onnx.compress.checks.layer_pairs import computed_inputs, layer_pairs, run, side_by_side
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import prepare
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import ModelError
from compress_onnx.model.files import model_bytes

Images = NDArray[np.float32]
MakeModel = Callable[..., onnx.ModelProto]


@pytest.fixture(scope="module")
def models(convnet: onnx.ModelProto) -> dict[str, onnx.ModelProto]:
    """The folded float model, and its forms of 8 and 4 bits."""
    images = np.random.default_rng(5).normal(size=(12, 3, 8, 8)).astype(np.float32)
    options = QuantizeOptions(cpu="x86-64-avx2")
    return {
        "float": prepare(convnet, [images], options).model,
        "int8": quantize_model(convnet, [images], options),
        "int4": quantize_model(convnet, [images], QuantizeOptions(cpu="x86-64-avx2", weights="int4")),
    }


@pytest.mark.parametrize(("weights", "bits"), [("int8", 8), ("int4", 4)])
def test_pairs_are_the_layers_of_both_models_with_their_widths(
    models: dict[str, onnx.ModelProto], weights: str, bits: int
) -> None:
    pairs = list(layer_pairs(models["float"], models[weights]))
    assert [pair.reference.name for pair in pairs] == [pair.quantized.name for pair in pairs]
    assert [pair.reference.op_type for pair in pairs] == ["Conv", "Conv", "Gemm"]
    assert [pair.bits for pair in pairs] == [bits] * 3
    assert [pair.bias for pair in pairs] == [""] * 3
    for pair in pairs:
        assert [node.op_type for node in pair.activation] == ["QuantizeLinear", "DequantizeLinear"]
        made = [node.output[0] for node in pair.makers]
        assert set(pair.quantized.input[1:]) <= set(made)
        # A 4-bit weight is cast before it is dequantized.
        assert ("Cast" in {node.op_type for node in pair.makers}) == (bits == 4)


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_each_layer_gives_from_its_own_input_what_it_gives_in_its_network(
    models: dict[str, onnx.ModelProto], images: Images, weights: str
) -> None:
    model = models[weights]
    before = model_bytes(model)
    pairs = list(layer_pairs(models["float"], model))
    inner = onnx.ModelProto()
    inner.CopyFrom(model)
    names = [pair.activation[0].input[0] for pair in pairs]
    coded = [pair.activation[1].output[0] for pair in pairs]
    wanted = [pair.quantized.output[0] for pair in pairs]
    known = {value.name for value in (*inner.graph.input, *inner.graph.output)}
    inner.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in {*names, *coded, *wanted} - known
    )
    seen = {"input": images, **run(inner, {"input": images})}
    beside = side_by_side(model, pairs)
    found = run(beside, {f"{number}/input": seen[name] for number, name in enumerate(names)})
    for number, name in enumerate(wanted):
        np.testing.assert_allclose(found[f"{number}/output"], seen[name], rtol=1e-5, atol=1e-5)
        # Coding clips below zero too: that is how a Relu is fused.
        np.testing.assert_array_equal(found[f"{number}/coded"], seen[coded[number]])
    assert model_bytes(model) == before


def test_a_layer_that_one_model_lacks_or_whose_weight_is_computed_is_no_pair(
    models: dict[str, onnx.ModelProto],
) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(models["int8"])
    next(node for node in other.graph.node if node.op_type == "Gemm").name = "renamed"
    assert len(list(layer_pairs(models["float"], other))) == 2
    computed = onnx.ModelProto()
    computed.CopyFrom(models["float"])
    computed.graph.node[0].input[1] = "somewhere"
    assert len(list(layer_pairs(computed, models["int8"]))) == 2


def test_a_float_layer_is_a_pair_with_nothing_that_codes_it(models: dict[str, onnx.ModelProto], images: Images) -> None:
    pairs = list(layer_pairs(models["float"], models["float"]))
    assert [(pair.makers, pair.activation) for pair in pairs] == [((), ())] * 3
    seen = taps(models["float"], images)
    found = run(
        side_by_side(models["float"], pairs),
        {f"{number}/input": seen.get(pair.reference.input[0], images) for number, pair in enumerate(pairs)},
    )
    for number, pair in enumerate(pairs):
        np.testing.assert_allclose(found[f"{number}/output"], seen[pair.reference.output[0]], rtol=1e-5, atol=1e-5)


def test_a_computed_bias_has_an_input_of_its_own(make_model: MakeModel, images: Images) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"], "flatten"),
        helper.make_node("Sin", ["angles"], ["b"], "sine"),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"], "fc"),
    ]
    weight = np.random.default_rng(0).normal(size=(192, 5)).astype(np.float32)
    model = make_model(nodes, {"w": weight, "angles": np.arange(5, dtype=np.float32)})
    (pair,) = layer_pairs(model, model)
    assert pair.bias == "b"
    given = {"0/input": images.reshape(12, -1), "0/bias/input": np.ones(5, np.float32)}
    found = run(side_by_side(model, [pair]), given)
    np.testing.assert_allclose(found["0/output"], images.reshape(12, -1) @ weight + 1, rtol=1e-4, atol=1e-4)


def test_computed_inputs_are_those_that_are_given_and_not_stored() -> None:
    node = helper.make_node("Conv", ["x", "w", ""], ["y"])
    assert computed_inputs(node, {"w"}) == ["x"]
    assert computed_inputs(helper.make_node("Gemm", ["x", "w", "b"], ["y"]), {"w"}) == ["x", "b"]


def test_layers_that_the_runtime_cannot_run_are_one_sentence(models: dict[str, onnx.ModelProto]) -> None:
    broken = onnx.ModelProto()
    broken.CopyFrom(models["float"])
    broken.graph.node[0].op_type = "Convolution"
    with pytest.raises(ModelError, match=r"layers that ONNX Runtime runs one by one.*check of the result"):
        run(broken, {})
