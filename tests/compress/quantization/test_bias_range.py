"""Scales that biases need: the integer fits 32 bits with room, and scales that suffice stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.compress.quantization.bias_range import LARGEST_BIAS, needed_scales

NUMBERS = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-20)


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.floats(1e-4, 10))
def test_the_bias_is_an_integer_within_half_of_32_bits(values: list[float], step: float) -> None:
    bias = np.array(values)
    scales = needed_scales(bias, step)
    assert (scales[bias == 0] == 0).all()
    alive = bias != 0
    integers = np.abs(bias[alive]) / (scales[alive] * step)
    assert (integers <= LARGEST_BIAS * (1 + 1e-9)).all()
