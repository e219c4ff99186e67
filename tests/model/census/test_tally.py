"""Values at their zero point are zeros, and every element counts once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compress_onnx.model.census.census import weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.model.census.prunable import prunable_initializers

Dequantized = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(3)
INT8 = RNG.integers(-3, 4, (192, 5)).astype(np.int8)
POINTS = np.array([1, 0, -1, 2, 3], np.int8)


def test_int8_weights_count_their_zeros(dequantized: Dequantized) -> None:
    model = dequantized(numpy_helper.from_array(INT8, "w"), None, ())
    (weight,) = weights(model)
    assert (weight.bits, weight.elements, weight.nonzero) == (8, 960, np.count_nonzero(INT8))
    assert precision_of(model) == "W8 (weight only)"
    assert prunable_initializers(model) == {}


@pytest.mark.parametrize("axis", [1, -1, None])
def test_a_value_at_its_channels_zero_point_is_zero(dequantized: Dequantized, axis: int | None) -> None:
    options = {} if axis is None else {"axis": axis}
    model = dequantized(numpy_helper.from_array(INT8, "w"), numpy_helper.from_array(POINTS, "point"), (5,), **options)
    (weight,) = weights(model)
    assert weight.nonzero == np.count_nonzero(INT8 - POINTS)


def test_zero_points_along_the_rows(dequantized: Dequantized) -> None:
    points = RNG.integers(-3, 4, 192).astype(np.int8)
    model = dequantized(numpy_helper.from_array(INT8, "w"), numpy_helper.from_array(points, "point"), (192,), axis=0)
    assert weights(model)[0].nonzero == np.count_nonzero(INT8 - points[:, None])


def test_blockwise_zero_points(dequantized: Dequantized) -> None:
    points = RNG.integers(-3, 4, (4, 5)).astype(np.int8)
    point = numpy_helper.from_array(points, "point")
    model = dequantized(numpy_helper.from_array(INT8, "w"), point, (4, 5), axis=0, block_size=50)
    naive = sum(int(INT8[row, column] != points[row // 50, column]) for row in range(192) for column in range(5))
    assert weights(model)[0].nonzero == naive


def test_slices_that_overlap_count_their_tensor_once(make_model: Callable[..., onnx.ModelProto]) -> None:
    matrix = RNG.normal(0, 1, (192, 8)).astype(np.float32)
    matrix[:, 2:4] = 0
    nodes = [
        helper.make_node("Slice", ["m", "zero", "five", "one"], ["left"]),
        helper.make_node("Slice", ["m", "two", "seven", "one"], ["right"]),
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "left"], ["a"]),
        helper.make_node("MatMul", ["flat", "right"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["logits"]),
    ]
    numbers = {"zero": 0, "one": 1, "two": 2, "five": 5, "seven": 7}
    tensors = {"m": matrix} | {name: np.array([number]) for name, number in numbers.items()}
    (weight,) = weights(make_model(nodes, tensors))
    assert (weight.name, weight.ops) == ("m", ("MatMul", "MatMul"))
    assert (weight.elements, weight.nonzero) == (192 * 7, 192 * 5)
