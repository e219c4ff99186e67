from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.data.preprocess import preprocess, resized
from compress_onnx.records.artifacts import Preprocessing

RGB = Preprocessing(height=4, width=5, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4), st.integers(0, 2), st.integers(0, 255))
def test_each_pixel_follows_the_formula(n: int, row: int, column: int, channel: int, value: int) -> None:
    pixels = np.zeros((4, 4, 5, 3), dtype=np.uint8)
    pixels[n, row, column, channel] = value
    expected = (value / 255 - RGB.mean[channel]) / RGB.std[channel]
    assert preprocess(pixels, RGB)[n, channel, row, column] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_pixel_value_has_the_bits_of_the_formula_in_float32(layout: str) -> None:
    """Hashes of calibrated models rest on these bits: divide, subtract, divide, each rounded to float32."""
    values = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 4, 4, 1), 3, axis=3)
    form = Preprocessing(height=4, width=4, mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616), layout=layout)
    scaled = values.astype(np.float32) / np.float32(255)
    expected = (scaled - np.array(form.mean, np.float32)) / np.array(form.std, np.float32)
    found = preprocess(values, form)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found if layout == "NHWC" else found.transpose(0, 2, 3, 1), expected)


def test_the_pictures_are_left_as_they_are(pictures: NDArray[np.uint8]) -> None:
    before = pictures.copy()
    for form in (RGB, Preprocessing(height=4, width=5, mean=(0.5,), std=(0.5,))):
        preprocess(pictures, form)
    np.testing.assert_array_equal(pictures, before)


def test_layouts_are_transposes_of_each_other(pictures: NDArray[np.uint8]) -> None:
    last = Preprocessing(height=4, width=5, mean=RGB.mean, std=RGB.std, layout="NHWC")
    first = preprocess(pictures, RGB)
    assert first.shape == (6, 3, 4, 5)
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), preprocess(pictures, last))


def test_gray_is_pillows_luma(pictures: NDArray[np.uint8]) -> None:
    gray = Preprocessing(height=4, width=5, mean=(0.0,), std=(1.0,))
    luma = np.stack([np.asarray(Image.fromarray(p).convert("L")) for p in pictures])
    np.testing.assert_allclose(preprocess(pictures, gray)[:, 0] * 255, luma, atol=1.0)


def test_a_fitting_picture_is_not_resampled(pictures: NDArray[np.uint8]) -> None:
    picture = pictures[0]
    assert resized(picture, (4, 5)) is picture
    assert resized(pictures[0], (8, 6)).shape == (8, 6, 3)
    assert set(resized(np.full((3, 3, 3), 7, np.uint8), (5, 9)).reshape(-1)) == {7}
