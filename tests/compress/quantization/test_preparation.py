"""A float model made ready: what is measured is what its tensors hold, and what cannot be quantized is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.quantization.integer_form import stored_form
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import expect_faithful, prepare
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import ModelError, SelfCheckError
from compress_onnx.model.files import model_bytes
from compress_onnx.ort.tensors import tensor_runner

Images = NDArray[np.float32]
OPTIONS = QuantizeOptions(cpu="x86-64-vnni")
FOUR_BITS = QuantizeOptions(cpu="x86-64-vnni", weights="int4")


def tensors(model: onnx.ModelProto, names: list[str], images: Images) -> list[NDArray[Any]]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in model.graph.output}
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    return tensor_runner(copy, names)(images)


def test_ranges_hold_the_extremes_of_every_tensor_of_the_folded_model(convnet: onnx.ModelProto, images: Images) -> None:
    before = model_bytes(convnet)
    prepared = prepare(convnet, [images[:5], images[5:]], OPTIONS)
    assert model_bytes(convnet) == before
    assert "BatchNormalization" not in {node.op_type for node in prepared.model.graph.node}
    names = [node.output[0] for node in prepared.model.graph.node]
    ranges = dict(prepared.ranges.items())
    assert set(ranges) >= {"input", *names}
    for name, values in zip(names, tensors(prepared.model, names, images), strict=True):
        np.testing.assert_allclose(float(ranges[name].lowest), values.min(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(float(ranges[name].highest), values.max(), rtol=1e-4, atol=1e-5)


def test_moments_are_those_of_the_layers_inputs_and_taken_only_where_they_are_needed(
    convnet: onnx.ModelProto, images: Images
) -> None:
    assert prepare(convnet, [images], OPTIONS).moments == {}
    prepared = prepare(convnet, [images[:7], images[7:]], FOUR_BITS)
    assert len(prepared.moments) == 3
    gemm = next(node for node in prepared.model.graph.node if node.op_type == "Gemm")
    (rows,) = tensors(prepared.model, [gemm.input[0]], images)
    expected = rows.astype(np.float64).T @ rows / len(rows)
    np.testing.assert_allclose(prepared.moments[gemm.input[1]].reshape(8, 8), expected, rtol=1e-3)


def test_ranges_that_were_kept_leave_the_images_unread(convnet: onnx.ModelProto, images: Images) -> None:
    options = QuantizeOptions(cpu="x86-64-vnni", cache_key="preparation")
    first = prepare(convnet, [images], options)

    def unread() -> Iterator[Images]:
        yield pytest.fail("a batch was read")

    again = prepare(convnet, unread(), options)
    told = [{name: (float(e.lowest), float(e.highest)) for name, e in p.ranges.items()} for p in (first, again)]
    assert told[0] == told[1]
    assert len(again.sample) > 0, "results are checked on made images"
    with pytest.raises(pytest.fail.Exception):
        prepare(convnet, unread(), QuantizeOptions(cpu="x86-64-vnni", cache_key="another"))


def test_a_result_of_its_own_form_is_faithful_and_a_changed_one_is_not(
    convnet: onnx.ModelProto, images: Images
) -> None:
    prepared = prepare(convnet, [images], OPTIONS)
    result = stored_form(prepared.model, prepared.ranges, OPTIONS, scales={})
    expect_faithful(result, prepared, OPTIONS)
    tensor = next(tensor for tensor in result.graph.initializer if tensor.name == "w3_quantized")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[::-1].copy(), tensor.name))
    with pytest.raises(SelfCheckError, match="'fc'"):
        expect_faithful(result, prepared, OPTIONS)


def test_a_result_is_held_against_the_given_reference(convnet: onnx.ModelProto, images: Images) -> None:
    prepared = prepare(convnet, [images], OPTIONS)
    other = onnx.ModelProto()
    other.CopyFrom(prepared.model)
    tensor = next(tensor for tensor in other.graph.initializer if tensor.name == "w3")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[::-1].copy(), "w3"))
    result = stored_form(other, prepared.ranges, OPTIONS, scales={})
    expect_faithful(result, prepared, OPTIONS, reference=other)
    with pytest.raises(SelfCheckError, match="'fc'"):
        expect_faithful(result, prepared, OPTIONS)


@pytest.mark.parametrize(("options", "opset"), [(OPTIONS, 12), (FOUR_BITS, 20)])
def test_an_opset_that_lacks_the_integers_is_refused_and_the_next_is_not(
    convnet: onnx.ModelProto, images: Images, options: QuantizeOptions, opset: int
) -> None:
    old = onnx.ModelProto()
    old.CopyFrom(convnet)
    old.opset_import[0].version = opset
    width = " for 4-bit weights" if options is FOUR_BITS else ""
    with pytest.raises(
        ModelError, match=rf"opset {opset + 1} or newer{width}, got opset {opset} \(a\.onnx\)\. Convert"
    ):
        prepare(old, [images], options, where="a.onnx")
    old.opset_import[0].version = opset + 1
    assert prepare(old, [images], options).moments.keys() == prepare(convnet, [images], options).moments.keys()


def test_a_quantized_model_is_refused_with_its_name(convnet: onnx.ModelProto, images: Images) -> None:
    quantized = quantize_model(convnet, [images], OPTIONS)
    with pytest.raises(ModelError, match=r"a float model to quantize, got a quantized one \(a\.onnx\)\. Name its FP32"):
        prepare(quantized, [images], OPTIONS, where="a.onnx")
