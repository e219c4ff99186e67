"""A weight is rows and back again, one row per output channel as NumPy's own slices have it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper

from compress_onnx.compress.layers.layout import layouts, plain_name, weight_values, with_weights
from compress_onnx.model.files import model_bytes

MakeModel = Callable[..., onnx.ModelProto]


@pytest.fixture
def odd(make_model: MakeModel) -> onnx.ModelProto:
    """Conv, grouped ConvTranspose, MatMul and a stack of matrices that is no layer with channels."""
    rng = np.random.default_rng(2)
    nodes = [
        helper.make_node("Conv", ["input", "k"], ["a"], pads=[1] * 4),
        helper.make_node("ConvTranspose", ["a", "t"], ["b"], group=2),
        helper.make_node("MatMul", ["b", "stack"], ["c"]),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["logits"]),
    ]
    shapes = {"k": (4, 3, 3, 3), "t": (4, 3, 1, 1), "stack": (6, 8, 8), "m": (384, 5)}
    return make_model(nodes, {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


def test_rows_are_what_one_index_of_the_axis_holds(odd: onnx.ModelProto) -> None:
    found, values = layouts(odd), weight_values(odd)
    assert {name: (layout.axis, layout.groups, layout.whole) for name, layout in found.items()} == {
        "k": (0, 1, True),
        "t": (1, 2, False),
        "m": (1, 1, True),
    }
    for name, layout in found.items():
        rows = layout.rows(values[name])
        assert rows.shape == (layout.shape[layout.axis], layout.width)
        np.testing.assert_array_equal(rows[2], np.take(values[name], 2, axis=layout.axis).ravel())
        np.testing.assert_array_equal(layout.tensor(rows), values[name])


def test_other_weights_make_another_model(odd: onnx.ModelProto) -> None:
    before = model_bytes(odd)
    values = {"k": np.zeros((4, 3, 3, 3), np.float32)}
    changed = weight_values(with_weights(odd, values))
    assert not changed["k"].any()
    np.testing.assert_array_equal(changed["m"], weight_values(odd)["m"])
    assert model_bytes(odd) == before


def test_folding_twice_leaves_one_name() -> None:
    assert plain_name("ConvMulFusion_W_ConvBnFusion_W_conv.weight") == "conv.weight"
    assert plain_name("block.ConvBnFusion_W_conv.weight") == "block.ConvBnFusion_W_conv.weight"
