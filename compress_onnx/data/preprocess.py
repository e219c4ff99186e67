"""Pictures to model inputs and back: resize, scale, normalize. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.records import Preprocessing

# ITU-R BT.601 luma, the weights Pillow's convert("L") uses.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize one picture (H, W, 3) uint8 to ``size`` = (height, width), bilinear; a fitting one is returned as is."""
    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def preprocess(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return (N, H, W, 3) uint8 pictures as model inputs, float32 in the model's layout.

    Each channel becomes ``(pixel / 255 - mean) / std``; a one-channel model gets BT.601 luma.

    >>> gray = Preprocessing(height=1, width=1, mean=(0.5,), std=(0.5,))
    >>> preprocess(np.full((1, 1, 1, 3), 255, dtype=np.uint8), gray).shape
    (1, 1, 1, 1)
    """
    color = preprocessing.channels > 1
    values = pixels if color else ((pixels.astype(np.float32) / np.float32(255)) @ _LUMA)[..., None]
    channel_axis = 1 if preprocessing.layout == "NCHW" else 3
    # One array, changed in place: the formula's three steps, in its order, give its very bits.
    inputs = np.ascontiguousarray(np.moveaxis(values, 3, channel_axis), dtype=np.float32)
    shape = [-1 if axis == channel_axis else 1 for axis in range(4)]
    if color:
        inputs /= np.float32(255)
    inputs -= np.asarray(preprocessing.mean, dtype=np.float32).reshape(shape)
    inputs /= np.asarray(preprocessing.std, dtype=np.float32).reshape(shape)
    return inputs


def pictures_of(inputs: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return the pictures (N, H, W, 3) uint8 that :func:`preprocess` would have made model inputs from, as near as can be.

    >>> form = Preprocessing(height=1, width=1, mean=(0.5,) * 3, std=(0.25,) * 3)
    >>> picture = np.array([[[[0, 100, 255]]]], dtype=np.uint8)
    >>> pictures_of(preprocess(picture, form), form).tolist()
    [[[[0, 100, 255]]]]
    """
    last = np.moveaxis(inputs, 1, 3) if preprocessing.layout == "NCHW" else inputs
    values = last * np.asarray(preprocessing.std, np.float32) + np.asarray(preprocessing.mean, np.float32)
    pixels = np.clip(np.rint(np.nan_to_num(values) * 255), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels if pixels.shape[3] > 1 else np.repeat(pixels, 3, axis=3))
