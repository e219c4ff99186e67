"""Static quantization: types by target CPU, zeros that stay, bytes that repeat."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from compress_onnx.compress.float_form.fold import folded
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import compress, quantize_model
from compress_onnx.errors import DataError, ModelError, OptionError, UnknownNameError
from compress_onnx.model.census.census import weights
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.model.files import load_model, model_bytes, model_sha256, save_model
from compress_onnx.model.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.model.signature import signature_of
from compress_onnx.options.declared import METHOD
from compress_onnx.records.artifacts import Preprocessing, RecipeStep

Images = NDArray[np.float32]
Runner = Callable[[onnx.ModelProto, Images], Images]
VNNI, AVX2, ARM = "x86-64-vnni", "x86-64-avx2", "aarch64"


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def quantized(model: onnx.ModelProto, images: Images, cpu: str = VNNI, **options: str) -> onnx.ModelProto:
    return quantize_model(model, [images], QuantizeOptions(cpu=cpu, **options))


def activation_points(model: onnx.ModelProto) -> list[NDArray[Any]]:
    points = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    return [arrays(model)[name] for name in points]


def stored_weights(model: onnx.ModelProto) -> list[NDArray[Any]]:
    """Return the integer weights, (channels, ...), with the scales of their channels."""
    return [arrays(model)[weight.name] for weight in weights(model)]


def edited(model: onnx.ModelProto, name: str, edit: Callable[[NDArray[Any]], None]) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor).copy()
    edit(values)
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    return copy


@pytest.mark.parametrize(
    ("cpu", "activations", "largest"), [(VNNI, np.uint8, 127), (AVX2, np.uint8, 64), (ARM, np.int8, 127)]
)
def test_types_follow_the_target(
    convnet: onnx.ModelProto, images: Images, cpu: str, activations: type, largest: int
) -> None:
    result = quantized(convnet, images, cpu)
    assert {point.dtype.type for point in activation_points(result)} == {activations}
    for values in stored_weights(result):
        assert values.dtype == np.int8
        assert np.abs(values.astype(int)).max() == largest
    if cpu == ARM:
        assert not any(point.any() for point in activation_points(result))


def test_weights_are_the_folded_ones_rounded_per_channel(convnet: onnx.ModelProto, images: Images) -> None:
    result = quantized(convnet, images)
    plain = [numpy_helper.to_array(tensor) for tensor in prunable_initializers(folded(convnet)).values()]
    for real, stored in zip(plain, stored_weights(result), strict=True):
        channels = real.reshape(len(real), -1)
        scale = np.abs(channels).max(axis=1, keepdims=True) / 127
        np.testing.assert_allclose(stored.reshape(len(real), -1), channels / scale, atol=0.501)
    points = [values for name, values in arrays(result).items() if name.endswith("_zero_point") and values.ndim]
    assert points
    assert not any(point.any() for point in points)


def test_every_weighted_node_is_quantized_and_batch_norm_is_gone(convnet: onnx.ModelProto, images: Images) -> None:
    result = quantized(convnet, images)
    onnx.checker.check_model(result, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in result.graph.node}
    made_by = {output: node.op_type for node in result.graph.node for output in node.output}
    for node in result.graph.node:
        if node.op_type in {"Conv", "Gemm"}:
            assert [made_by[name] for name in node.input] == ["DequantizeLinear"] * 3


@pytest.mark.parametrize("cpu", [VNNI, AVX2, ARM])
@pytest.mark.parametrize("method", METHOD.choices)
def test_every_method_computes_nearly_the_same(
    convnet: onnx.ModelProto, images: Images, run: Runner, method: str, cpu: str
) -> None:
    expected = run(convnet, images)
    got = run(quantized(convnet, images, cpu, method=method), images)
    assert np.abs(got - expected).max() < 0.1 * np.ptp(expected)


def test_no_unused_operator_set_is_imported(convnet: onnx.ModelProto, images: Images) -> None:
    result = quantized(convnet, images)
    assert [(entry.domain, entry.version) for entry in result.opset_import] == [("", 21)]


@pytest.mark.parametrize("cpu", [VNNI, AVX2, ARM])
def test_zeros_of_a_pruned_model_stay_zero(convnet: onnx.ModelProto, images: Images, cpu: str) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.6))
    before = [numpy_helper.to_array(tensor) for tensor in prunable_initializers(pruned).values()]
    for real, stored in zip(before, stored_weights(quantized(pruned, images, cpu)), strict=True):
        assert real.shape == stored.shape
        assert not stored[real == 0].any()


def test_equal_inputs_give_equal_bytes(convnet: onnx.ModelProto, images: Images) -> None:
    assert model_bytes(quantized(convnet, images)) == model_bytes(quantized(convnet, images))


@pytest.mark.parametrize("size", [1, 5, 12])
def test_minmax_does_not_depend_on_the_batch_size(convnet: onnx.ModelProto, images: Images, size: int) -> None:
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    result = quantize_model(convnet, iter(batches), QuantizeOptions(cpu=VNNI))
    assert model_bytes(result) == model_bytes(quantized(convnet, images))


@pytest.mark.parametrize("fixed", [1, 5])
def test_a_fixed_batch_is_calibrated_like_a_free_one(convnet: onnx.ModelProto, images: Images, fixed: int) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(convnet)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = fixed
    result = quantized(model, images)
    assert signature_of(result).fixed_batch == fixed
    free = arrays(quantized(convnet, images))
    assert {name: values.tolist() for name, values in arrays(result).items()} == {
        name: values.tolist() for name, values in free.items()
    }


def test_argument_file_logging_and_stdout_are_left_alone(
    convnet: onnx.ModelProto, images: Images, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_model(convnet, tmp_path / "a.onnx")
    content, level = (tmp_path / "a.onnx").read_bytes(), logging.getLogger().level
    model = load_model(tmp_path / "a.onnx")
    quantized(model, images, method="entropy")
    assert model_bytes(model) == content == (tmp_path / "a.onnx").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert logging.getLogger().level == level
    assert capfd.readouterr() == ("", "")


def test_the_child_knows_its_parent_and_how_it_was_made(convnet: onnx.ModelProto, images: Images) -> None:
    preprocessing = Preprocessing(height=8, width=8, mean=(0.0,) * 3, std=(1.0,) * 3)
    first = RecipeStep(name="export", options={}, seconds=0.0)
    parent = write_embedded(convnet, Embedded(preprocessing=preprocessing, class_names=("a",), recipe=(first,)))
    found = read_embedded(quantized(parent, images, AVX2, calibration="cd" * 32))
    assert (found.preprocessing, found.class_names) == (preprocessing, ("a",))
    assert found.parent_sha256 == model_sha256(parent)
    assert [step.name for step in found.recipe] == ["export", "quantize"]
    assert found.recipe[1].options == {
        "weights": "int8",
        "activations": "uint8",
        "method": "minmax",
        "scales": "max",
        "rounding": "nearest",
        "keep_int8": [],
        "cpu": AVX2,
        "reduce_range": True,
        "per_channel": True,
        "calibration": "cd" * 32,
    }


def test_the_plug_in_quantizes_with_the_batches_it_is_given(convnet: onnx.ModelProto, images: Images) -> None:
    assert compress(convnet, {"cpu": VNNI}, lambda: [images]) == quantized(convnet, images)
    with pytest.raises(DataError, match="at least one calibration image"):
        compress(convnet, {"cpu": VNNI}, None)


def test_no_images_and_broken_images_are_refused(convnet: onnx.ModelProto, images: Images) -> None:
    with pytest.raises(DataError, match="at least one calibration image"):
        quantize_model(convnet, [], QuantizeOptions(cpu=VNNI))
    with pytest.raises(DataError, match="finite calibration inputs"):
        quantized(convnet, images * np.float32(np.nan))
    with pytest.raises(DataError, match=r"shape \(3, 8, 8\), got float32 of shape \(1, 8, 8\) \(a\.onnx\)"):
        quantize_model(convnet, [images[:, :1]], QuantizeOptions(cpu=VNNI), where="a.onnx")


def test_a_quantized_model_is_refused(convnet: onnx.ModelProto, images: Images) -> None:
    with pytest.raises(ModelError, match="a float model to quantize, got a quantized one"):
        quantized(quantized(convnet, images), images)


def test_an_old_opset_is_refused_with_the_remedy(convnet: onnx.ModelProto, images: Images) -> None:
    old = onnx.ModelProto()
    old.CopyFrom(convnet)
    old.opset_import[0].version = 12
    with pytest.raises(ModelError, match=r"opset 13 or newer, got opset 12.*version_converter"):
        quantized(old, images)


def test_opset_13_is_enough(convnet: onnx.ModelProto, images: Images, run: Runner) -> None:
    old = onnx.ModelProto()
    old.CopyFrom(convnet)
    old.opset_import[0].version = 13
    result = quantized(old, images)
    assert result.opset_import[0].version == 13
    assert run(result, images).shape == (12, 5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(convnet: onnx.ModelProto, images: Images, bad: float) -> None:
    with pytest.raises(ModelError, match="finite weights, got NaN or infinity in 'w2'"):
        quantized(edited(convnet, "w2", lambda values: values.fill(bad)), images)
    with pytest.raises(ModelError, match="finite"):
        quantized(edited(convnet, "shift", lambda values: values.fill(bad)), images)


def test_a_model_without_weights_is_refused(convnet: onnx.ModelProto, images: Images) -> None:
    bare = onnx.ModelProto()
    bare.CopyFrom(convnet)
    del bare.graph.initializer[:]
    with pytest.raises(ModelError, match=r"weights to quantize .*got none"):
        quantized(bare, images)


def test_a_dead_channel_is_quantized(convnet: onnx.ModelProto, images: Images, run: Runner) -> None:
    dead = edited(convnet, "w1", lambda values: values[2].fill(0))
    assert np.isfinite(run(quantized(dead, images), images)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpu": "riscv"}, "Expected a cpu, got 'riscv'"),
        ({"cpu": VNNI, "weights": "int3"}, "'int3'.*Did you mean int8"),
        ({"cpu": VNNI, "method": "max"}, "'max'.*Known: entropy, minmax, percentile"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        QuantizeOptions(**options)


def test_a_target_is_no_guess() -> None:
    with pytest.raises(OptionError, match="a CPU to quantize for, got auto"):
        QuantizeOptions(cpu="auto")


def test_integers_are_stored_in_eight_bits(convnet: onnx.ModelProto, images: Images) -> None:
    result = quantized(convnet, images)
    kinds = {tensor.data_type for tensor in result.graph.initializer}
    assert kinds == {TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32}
