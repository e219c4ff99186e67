"""4-bit weights: integers chosen beforehand, stored as chosen, run as 8 bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.calibration.input_moments import InputMoments
from compress_onnx.compress.layers.layout import layouts, weight_values
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.quantization.fake_quantization import approximated, fake_quantized
from compress_onnx.compress.quantization.integer_form import stored_form
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import prepare
from compress_onnx.compress.quantization.quantize import compress, quantize_model
from compress_onnx.errors import ModelError, OptionError, UnknownNameError
from compress_onnx.model.census.census import weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.model.files import model_bytes, save_model
from compress_onnx.model.metadata import read_embedded
from compress_onnx.records.artifacts import Precision
from compress_onnx.runtime.cpu.fusion import fusion_receipt

Images = NDArray[np.float32]
Runner = Callable[[onnx.ModelProto, Images], Images]
MakeModel = Callable[..., onnx.ModelProto]
VNNI = "x86-64-vnni"
CHOICES = [(scales, rounding) for scales in ("max", "mse", "output") for rounding in ("nearest", "gptq")]


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def quantized(model: onnx.ModelProto, images: Images, **options: Any) -> onnx.ModelProto:
    return quantize_model(model, [images], QuantizeOptions(**({"cpu": VNNI, "weights": "int4"} | options)))


def dequantized(model: onnx.ModelProto) -> list[NDArray[np.float64]]:
    """Return the weights as the graph reads them, in graph order."""
    values = arrays(model)
    makers = {node.output[0]: node for node in model.graph.node}
    found = []
    for node in model.graph.node:
        if node.op_type in {"Conv", "Gemm"}:
            reader = makers[node.input[1]]
            source = makers[reader.input[0]].input[0] if reader.input[0] in makers else reader.input[0]
            integers = values[source].astype(np.float64)
            scale = values[reader.input[1]].astype(np.float64)
            found.append(integers * scale.reshape(-1, *[1] * (integers.ndim - 1)))
    return found


@pytest.mark.parametrize(("scales", "rounding"), CHOICES)
def test_what_is_stored_is_what_was_chosen(
    convnet: onnx.ModelProto, images: Images, scales: str, rounding: str
) -> None:
    options = QuantizeOptions(cpu=VNNI, weights="int4", scales=scales, rounding=rounding)
    rounded, _ = approximated(prepare(convnet, [images], options), options)
    result = quantized(convnet, images, scales=scales, rounding=rounding)
    assert {weight.bits for weight in weights(result)} == {4}
    assert precision_of(result) == Precision.W4A8
    for stored, chosen in zip(dequantized(result), weight_values(rounded).values(), strict=True):
        np.testing.assert_allclose(stored, chosen, rtol=1e-6)


@pytest.mark.parametrize("cpu", [VNNI, "x86-64-avx2", "aarch64"])
def test_the_file_computes_what_its_float_weights_say(
    convnet: onnx.ModelProto, images: Images, run: Runner, cpu: str
) -> None:
    options = QuantizeOptions(cpu=cpu, weights="int4")
    rounded, _ = approximated(prepare(convnet, [images], options), options)
    expected = run(rounded, images)
    assert np.abs(run(quantized(convnet, images, cpu=cpu), images) - expected).max() < 0.05 * np.ptp(expected)


def test_it_fuses_like_eight_bits(convnet: onnx.ModelProto, images: Images, tmp_path: Path) -> None:
    result = quantized(convnet, images)
    onnx.checker.check_model(result, full_check=True)
    save_model(result, tmp_path / "a.onnx")
    assert fusion_receipt(tmp_path / "a.onnx").int8_fraction == 1.0


@pytest.mark.parametrize(("scales", "rounding"), CHOICES)
def test_zeros_of_a_pruned_model_stay_zero(
    convnet: onnx.ModelProto, images: Images, scales: str, rounding: str
) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.6))
    before = [numpy_helper.to_array(tensor) for tensor in prunable_initializers(pruned).values()]
    result = dequantized(quantized(pruned, images, scales=scales, rounding=rounding))
    for real, stored in zip(before, result, strict=True):
        assert not stored[real == 0].any()


@pytest.mark.parametrize("size", [1, 5, 12])
def test_neither_time_nor_batches_matter(convnet: onnx.ModelProto, images: Images, size: int) -> None:
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    result = quantize_model(convnet, iter(batches), QuantizeOptions(cpu=VNNI, weights="int4", scales="output"))
    assert model_bytes(result) == model_bytes(quantized(convnet, images, scales="output"))


def test_a_row_scaled_with_its_scale_keeps_its_integers(convnet: onnx.ModelProto, images: Images) -> None:
    options = QuantizeOptions(cpu=VNNI, weights="int4")
    prepared = prepare(convnet, [images], options)
    rounded, scales = approximated(prepared, options)
    ratios = {name: np.linspace(0.7, 1.4, len(scale)).astype(np.float32) for name, scale in scales.items()}
    changed = onnx.ModelProto()
    changed.CopyFrom(rounded)
    for name, tensor in prunable_initializers(changed).items():
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(values * ratios[name].reshape(-1, *[1] * (values.ndim - 1)), name))
    plain = stored_form(rounded, prepared.ranges, options, scales=scales)
    repaired = stored_form(changed, prepared.ranges, options, scales={n: scales[n] * ratios[n] for n in scales})
    for weight in weights(plain):
        np.testing.assert_array_equal(arrays(plain)[weight.name], arrays(repaired)[weight.name])


def test_biases_are_in_the_unit_that_the_kernels_assume(convnet: onnx.ModelProto, images: Images) -> None:
    result = quantized(convnet, images)
    makers, values = {node.output[0]: node for node in result.graph.node}, arrays(result)
    for node in result.graph.node:
        if node.op_type in {"Conv", "Gemm"}:
            x, w, b = (values[makers[name].input[1]].astype(np.float64) for name in node.input)
            np.testing.assert_allclose(b, x * w, rtol=1e-5)


def test_named_weights_stay_at_eight_bits(convnet: onnx.ModelProto, images: Images) -> None:
    result = quantized(convnet, images, keep_int8=("w2",))
    assert [weight.bits for weight in weights(result)] == [4, 8, 4]
    assert precision_of(result) == "W4A8 in 2 of 3, W8A8 in 1 of 3"
    assert read_embedded(result).recipe[-1].options["keep_int8"] == ["w2"]
    eight = quantize_model(convnet, [images], QuantizeOptions(cpu=VNNI))
    np.testing.assert_array_equal(dequantized(result)[1], dequantized(eight)[1])


def test_eight_bits_take_other_scales_too(convnet: onnx.ModelProto, images: Images, run: Runner) -> None:
    expected = run(convnet, images)
    for cpu, largest in ((VNNI, 128), ("x86-64-avx2", 64)):
        result = quantized(convnet, images, weights="int8", scales="output", rounding="gptq", cpu=cpu)
        assert {weight.bits for weight in weights(result)} == {8}
        assert max(np.abs(arrays(result)[w.name].astype(int)).max() for w in weights(result)) <= largest
        assert np.abs(run(result, images) - expected).max() < 0.1 * np.ptp(expected)


def test_the_recipe_says_what_auto_became(convnet: onnx.ModelProto, images: Images) -> None:
    chosen = read_embedded(quantized(convnet, images)).recipe[-1].options
    assert (chosen["weights"], chosen["scales"], chosen["rounding"]) == ("int4", "mse", "gptq")
    assert compress(convnet, {"cpu": VNNI, "weights": "int4"}, lambda: [images]) == quantized(convnet, images)


def test_gptq_beats_nearest_on_the_outputs(convnet: onnx.ModelProto, images: Images, run: Runner) -> None:
    expected = run(convnet, images)
    losses = {}
    for rounding in ("nearest", "gptq"):
        options = QuantizeOptions(cpu=VNNI, weights="int4", rounding=rounding)
        rounded, _ = approximated(prepare(convnet, [images], dataclasses.replace(options, rounding="gptq")), options)
        losses[rounding] = float(((run(rounded, images) - expected) ** 2).mean())
    assert losses["gptq"] < losses["nearest"]


# ---------------------------------------------------------------------------- moments of the inputs


# ------------------------------------------------------------------------------------- odd layers


def odd(make_model: MakeModel) -> onnx.ModelProto:
    """Return ConvTranspose, a shared Conv, a Gemm without transB and a stack of matrices."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("ConvTranspose", ["input", "t"], ["a"]),
        helper.make_node("Conv", ["a", "k"], ["b"], pads=[1] * 4),
        helper.make_node("Relu", ["b"], ["b2"]),
        helper.make_node("Conv", ["b2", "k"], ["c"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("MatMul", ["p", "stack"], ["q"]),
        helper.make_node("Flatten", ["q"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], ["logits"]),
    ]
    shapes = {"t": (3, 4, 2, 2), "k": (4, 4, 3, 3), "stack": (1, 4, 1, 1), "g": (4, 5)}
    return make_model(nodes, {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


def test_layers_of_every_kind_are_approximated(make_model: MakeModel, images: Images) -> None:
    model = odd(make_model)
    probe = InputMoments(model)
    list(probe.watching([images]))
    assert set(probe.found()) == {"k", "g"}
    rounded, scales = fake_quantized(
        model, dict.fromkeys(layouts(model), 4), "output", rounding="gptq", moments=probe.found()
    )
    assert {name: len(scale) for name, scale in scales.items()} == {"t": 4, "k": 4, "g": 5}
    for name, scale in scales.items():
        axis = 0 if name == "k" else 1
        integers = np.moveaxis(weight_values(rounded)[name], axis, -1) / scale
        np.testing.assert_allclose(integers, np.rint(integers), atol=1e-4)
    np.testing.assert_array_equal(weight_values(rounded)["stack"], weight_values(model)["stack"])


def test_layers_of_every_kind_are_stored(make_model: MakeModel, images: Images, run: Runner) -> None:
    model = odd(make_model)
    result = quantized(model, images)
    assert {weight.name.removesuffix("_quantized"): weight.bits for weight in weights(result)} == {
        "t": 4,
        "k": 4,
        "stack": 8,
        "g": 4,
    }
    assert np.corrcoef(run(result, images).ravel(), run(model, images).ravel())[0, 1] > 0.9


def test_a_dead_channel_is_quantized(convnet: onnx.ModelProto, images: Images, run: Runner) -> None:
    dead = onnx.ModelProto()
    dead.CopyFrom(convnet)
    tensor = next(tensor for tensor in dead.graph.initializer if tensor.name == "w2")
    values = numpy_helper.to_array(tensor).copy()
    values[3] = 0
    tensor.CopyFrom(numpy_helper.from_array(values, "w2"))
    result = quantized(dead, images)
    assert np.isfinite(run(result, images)).all()
    assert not dequantized(result)[1][3].any()


def test_bad_options_are_refused(convnet: onnx.ModelProto, images: Images) -> None:
    with pytest.raises(UnknownNameError, match=r"a weight, got 'w9'.*Known: w1, w2, w3"):
        quantized(convnet, images, keep_int8=("w9",))
    with pytest.raises(UnknownNameError, match="a scales, got 'min'"):
        QuantizeOptions(cpu=VNNI, scales="min")
    with pytest.raises(OptionError, match="weights int8 or int4, got mixed"):
        quantized(convnet, images, weights="mixed")
    old = onnx.ModelProto()
    old.CopyFrom(convnet)
    old.opset_import[0].version = 20
    with pytest.raises(ModelError, match="opset 21 or newer for 4-bit weights, got opset 20"):
        quantized(old, images)
