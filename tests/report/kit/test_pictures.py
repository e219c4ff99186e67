from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.report.kit.pictures import map_png, png


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def lightness(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return pixels @ np.array([0.2126, 0.7152, 0.0722])


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_pixels_survive(pixels: NDArray[np.uint8]) -> None:
    assert np.array_equal(pixels_of(png(pixels)), pixels)


def test_brighter_means_larger() -> None:
    shown = lightness(pixels_of(map_png(np.linspace(-3, 5, 64).reshape(1, 64))))[0]
    assert np.all(np.diff(shown) > 0)


def test_map_keeps_the_resolution_of_the_data() -> None:
    assert pixels_of(map_png(np.eye(7, 5))).shape == (7, 5, 3)


def test_constant_map_is_dark_and_unknown_is_gray() -> None:
    dark = pixels_of(map_png(np.ones((2, 2))))
    assert np.all(dark == dark[0, 0])
    assert lightness(dark).max() < 60
    values = np.array([[0.0, np.nan], [1.0, np.inf]])
    assert pixels_of(map_png(values))[0, 1].tolist() == [128, 128, 128]
    assert pixels_of(map_png(np.full((2, 2), np.nan)))[0, 0].tolist() == [128, 128, 128]


def test_maps_are_small() -> None:
    noise = np.random.default_rng(0).random((32, 32))
    assert len(map_png(noise)) < 1300
