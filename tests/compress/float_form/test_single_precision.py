"""Bodies in other floats are computed in float32; what goes in and comes out keeps its type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.float_form.single_precision import single_precision
from compress_onnx.model.files import model_bytes

Array = NDArray[np.float32]
MakeModel = Callable[..., onnx.ModelProto]
Runner = Callable[[onnx.ModelProto, Array], Array]


def narrow(make_model: MakeModel, kind: int) -> onnx.ModelProto:
    """Flatten, then a MatMul in another float between two Casts."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    weight = np.random.default_rng(1).normal(size=(192, 5)).astype(dtype)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["x"], to=kind),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Cast", ["y"], ["logits"], to=TensorProto.FLOAT),
    ]
    return make_model(nodes, {"w": numpy_helper.from_array(weight, "w")})


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_the_same_numbers_are_multiplied_in_float32(
    make_model: MakeModel, images: Array, run: Runner, kind: int
) -> None:
    model = narrow(make_model, kind)
    before = model_bytes(model)
    result = single_precision(model)
    (weight,) = result.graph.initializer
    assert weight.data_type == TensorProto.FLOAT
    exact = images.reshape(len(images), -1) @ numpy_helper.to_array(model.graph.initializer[0]).astype(np.float32)
    np.testing.assert_allclose(run(result, images), exact, rtol=1e-4, atol=1e-4)
    assert model_bytes(model) == before


def test_a_float32_model_is_itself(convnet: onnx.ModelProto) -> None:
    assert single_precision(convnet) is convnet


def test_numbers_beyond_float32_become_infinite_silently(make_model: MakeModel) -> None:
    model = narrow(make_model, TensorProto.DOUBLE)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((192, 5), 1e300), "w"))
    assert np.isinf(numpy_helper.to_array(single_precision(model).graph.initializer[0])).all()
