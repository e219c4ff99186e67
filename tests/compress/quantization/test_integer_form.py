"""The integer form has the scales it was given, integers that NumPy rounds, and says which node is not understood."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from compress_onnx.compress.quantization.integer_form import integer_form, stored_form
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import Prepared, prepare
from compress_onnx.errors import ModelError
from compress_onnx.model.files import model_bytes

Images = NDArray[np.float32]
Runner = Callable[[onnx.ModelProto, Images], Images]
OPTIONS = QuantizeOptions(cpu="x86-64-vnni")
FOUR_BITS = QuantizeOptions(cpu="x86-64-vnni", weights="int4")


@pytest.fixture
def prepared(convnet: onnx.ModelProto, images: Images) -> Prepared:
    return prepare(convnet, [images], OPTIONS)


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize(("bits", "low", "high"), [(8, -128, 127), (4, -8, 7)])
def test_integers_are_weights_over_the_given_scales_rounded_and_clipped(
    prepared: Prepared, bits: int, low: int, high: int
) -> None:
    before = model_bytes(prepared.model)
    weight = arrays(prepared.model)["w3"]
    # The third channel is clipped.
    scales = (np.abs(weight).max(axis=1) / high * np.float32([1, 1, 0.5, 1, 2])).astype(np.float32)
    made = integer_form(
        prepared.model, prepared.ranges, OPTIONS.integer_types, scales={"w3": scales}, bits={"w3": bits}
    )
    stored = next(tensor for tensor in made.graph.initializer if tensor.name == "w3_quantized")
    assert stored.data_type == (TensorProto.INT8 if bits == 8 else TensorProto.INT4)
    integers = numpy_helper.to_array(stored).astype(np.float64)
    np.testing.assert_array_equal(arrays(made)["w3_scale"], scales)
    # A half may fall to either side.
    np.testing.assert_allclose(integers, np.clip(weight / scales[:, None], low, high), atol=0.501)
    assert not arrays(made)["w3_zero_point"].astype(int).any()
    assert model_bytes(prepared.model) == before


def test_a_bias_has_the_scale_of_its_input_times_that_of_its_weight(prepared: Prepared) -> None:
    scales = np.linspace(0.01, 0.05, 5).astype(np.float32)
    made = arrays(stored_form(prepared.model, prepared.ranges, OPTIONS, scales={"w3": scales}))
    step = made["b3_quantized_scale"] / scales
    np.testing.assert_allclose(step, step[0], rtol=1e-6)
    real = arrays(prepared.model)["b3"]
    np.testing.assert_allclose(made["b3_quantized"] * made["b3_quantized_scale"], real, atol=step[0] * scales.max())
    assert made["b3_quantized"].dtype == np.int32


def test_weights_without_given_scales_have_eight_bits_and_those_named_the_width_of_the_options(
    prepared: Prepared,
) -> None:
    scales = {"w3": (np.abs(arrays(prepared.model)["w3"]).max(axis=1) / 7).astype(np.float32)}
    made = stored_form(prepared.model, prepared.ranges, FOUR_BITS, scales=scales)
    kinds = {tensor.name: tensor.data_type for tensor in made.graph.initializer}
    assert kinds["w3_quantized"] == TensorProto.INT4
    assert kinds["w2_quantized"] == TensorProto.INT8
    assert "Cast" in {node.op_type for node in made.graph.node}, "widened, so that the runtime fuses it"
    assert np.abs(arrays(made)["w2_quantized"].astype(int)).max() == 127


def test_a_channel_of_zeros_has_the_mean_scale_of_the_others(prepared: Prepared, images: Images, run: Runner) -> None:
    tensor = next(tensor for tensor in prepared.model.graph.initializer if tensor.name == "w3")
    values = numpy_helper.to_array(tensor).copy()
    values[2] = 0
    tensor.CopyFrom(numpy_helper.from_array(values, "w3"))
    made = stored_form(prepared.model, prepared.ranges, OPTIONS, scales={})
    scales = arrays(made)["w3_scale"]
    np.testing.assert_allclose(scales[2], np.delete(scales, 2).mean(), rtol=1e-5)
    assert np.isfinite(run(made, images)).all()


def test_scales_at_which_a_bias_takes_more_than_half_of_32_bits_are_raised_and_no_others(prepared: Prepared) -> None:
    """ONNX Runtime itself raises scales too, but only until a bias takes all 32."""
    bias = arrays(prepared.model)["b3"]
    # The smallest bias has room.
    tiny = np.full(5, 1e-8, np.float32)
    made = arrays(stored_form(prepared.model, prepared.ranges, OPTIONS, scales={"w3": tiny}))
    small = int(np.abs(bias).argmin())
    assert (np.flatnonzero(made["w3_scale"] == tiny)).tolist() == [small]
    integers = np.abs(np.delete(made["b3_quantized"], small).astype(np.int64))
    np.testing.assert_allclose(integers, 2**30, rtol=1e-6)
    np.testing.assert_allclose(made["b3_quantized"] * made["b3_quantized_scale"], bias, rtol=1e-5)


def test_what_the_quantizer_raises_is_a_sentence_and_the_log_speaks_as_before(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(quantizer: object, node: onnx.NodeProto) -> None:
        raise IndexError("out of bounds")

    level = logging.getLogger().level
    monkeypatch.setattr("onnxruntime.quantization.qdq_quantizer.CreateQDQQuantizer", broken)
    with pytest.raises(ModelError, match=r"IndexError 'out of bounds' at node"):
        stored_form(prepared.model, prepared.ranges, OPTIONS, scales={})
    assert logging.getLogger().level == level
