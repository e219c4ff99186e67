"""Chunks have the size that the model takes and hold every image, in order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compress_onnx.compress.calibration.image_chunks import fitting
from compress_onnx.errors import DataError
from compress_onnx.model.signature import Signature

Images = NDArray[np.float32]
ANY = Signature(input_name="input", output_name="logits", image_shape=(3, 8, 8), fixed_batch=None, classes=5)


@given(sizes=st.lists(st.integers(0, 9), max_size=4), fixed=st.none() | st.integers(1, 5))
def test_fitting_keeps_every_image_in_order_and_the_batch_size(sizes: list[int], fixed: int | None) -> None:
    total = sum(sizes)
    pictures = np.arange(total, dtype=np.float32)[:, None, None, None] * np.ones((1, 3, 8, 8), np.float32)
    batches = np.split(pictures, np.cumsum(sizes)[:-1]) if sizes else []
    parts = list(fitting(batches, dataclasses.replace(ANY, fixed_batch=fixed)))
    seen = [int(picture[0, 0, 0]) for part in parts for picture in part]
    assert list(dict.fromkeys(seen)) == list(range(total))
    if fixed is None:
        assert len(seen) == total
    else:
        assert {len(part) for part in parts} <= {fixed}


def test_pictures_of_several_sizes_are_not_put_into_one_chunk() -> None:
    free = dataclasses.replace(ANY, image_shape=(3, None, None))
    batches = [np.zeros((2, 3, side, 4), np.float32) for side in (5, 5, 6, 5)]
    assert [part.shape for part in fitting(batches, free)] == [(4, 3, 5, 4), (2, 3, 6, 4), (2, 3, 5, 4)]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.zeros((2, 1, 8, 8), np.float32), r"shape \(3, 8, 8\), got float32 of shape \(1, 8, 8\)"),
        (np.zeros((2, 8, 8, 3), np.float32), r"got float32 of shape \(8, 8, 3\)"),
        (np.zeros((3, 8, 8), np.float32), r"got float32 of shape \(8, 8\)"),
        (np.zeros((2, 3, 8, 8)), "got float64"),
    ],
)
def test_images_of_another_shape_or_type_are_refused(batch: Images, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(fitting([batch], ANY, where="a.onnx"))


def test_free_sizes_take_any_picture() -> None:
    free = dataclasses.replace(ANY, image_shape=(3, None, None))
    assert len(list(fitting([np.zeros((2, 3, 17, 4), np.float32)], free))) == 1
