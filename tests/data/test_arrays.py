"""Arrays as image sets: what is shown is what was given, and what is no picture or label is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.data.arrays import Source, checked_labels, picture_set, row_ids
from compress_onnx.errors import DataError

SOURCE = Source(name="made", split="test", where="here", remedy="Do this.")


def test_pictures_and_labels_stand_row_by_row(pictures: NDArray[np.uint8]) -> None:
    images = picture_set(pictures, np.array([2, 0, 1, 2, 0, 1], np.uint8), source=SOURCE)
    assert images.labels is not None
    assert (images.labels.dtype, images.labels.tolist()) == (np.int64, [2, 0, 1, 2, 0, 1])
    assert images.sample_ids.tolist() == ["0", "1", "2", "3", "4", "5"] == row_ids(6).tolist()
    info = images.info
    assert (info.name, info.split, info.n, info.class_names) == ("made", "test", 6, ("0", "1", "2"))
    for row, picture in enumerate(pictures):
        np.testing.assert_array_equal(images.read(row), picture)


def test_gray_pictures_become_rgb(pictures: NDArray[np.uint8]) -> None:
    images = picture_set(pictures[..., 0], None, source=SOURCE)
    assert (images.labels, images.info.class_names) == (None, ())
    np.testing.assert_array_equal(images.read(1), np.stack([pictures[1, ..., 0]] * 3, axis=-1))


def test_three_rows_of_gray_are_no_color(pictures: NDArray[np.uint8]) -> None:
    """Of three dimensions it is the first that counts pictures, whatever the last one is."""
    images = picture_set(pictures[0], None, source=SOURCE)
    assert len(images) == 4
    assert images.read(3).shape == (5, 3, 3)


def test_the_hash_knows_pictures_shape_and_labels_and_not_their_type(pictures: NDArray[np.uint8]) -> None:
    labels = np.arange(6) % 2
    variants: list[tuple[NDArray[np.uint8], NDArray[Any] | None]] = [
        (pictures, None),
        (pictures.reshape(6, 5, 4, 3), None),
        (255 - pictures, None),
        (pictures, labels),
        (pictures, 1 - labels),
    ]
    hashes = [picture_set(*variant, source=SOURCE).info.sha256 for variant in variants]
    assert len(set(hashes)) == 5
    assert picture_set(pictures, labels.astype(np.int8), source=SOURCE).info.sha256 == hashes[3]
    turned = np.asfortranarray(pictures)
    assert picture_set(turned, labels, source=Source(name="other")).info.sha256 == hashes[3]


def test_labels_need_a_class_name_each(pictures: NDArray[np.uint8]) -> None:
    labels = np.array([0, 0, 0, 0, 0, 1])
    named = picture_set(pictures, labels, class_names=("off", "on", "never"), source=SOURCE)
    assert named.info.class_names == ("off", "on", "never")
    with pytest.raises(DataError, match=r"labels from 0 to 0, got 1 in row 5 \(here\)"):
        picture_set(pictures, labels, class_names=("off",), source=SOURCE)
    with pytest.raises(DataError, match="got -1 in row 0"):
        picture_set(pictures, labels - 1, source=SOURCE)


@pytest.mark.parametrize(
    ("labels", "got", "advice"),
    [
        (np.zeros(3), r"float64 of shape \(3,\)", "Do this"),
        (np.zeros(4, int), r"int64 of shape \(4,\)", "Do this"),
        (np.zeros((3, 1), int), r"int64 of shape \(3, 1\)", "Do this"),
        (np.array(["a", "b", "c"]), r"<U1 of shape \(3,\)", "Do this"),
        (np.ones(3, bool), r"bool of shape \(3,\)", "Do this"),
        (np.eye(3, dtype=int), r"int64 of shape \(3, 3\), which look one-hot", r"labels\.argmax\(axis=1\)"),
        (np.eye(3), r"float64 of shape \(3, 3\), which look one-hot", r"labels\.argmax\(axis=1\)"),
    ],
)
def test_other_labels_are_refused(labels: NDArray[Any], got: str, advice: str) -> None:
    with pytest.raises(DataError, match=rf"`labels` as integers of shape \(3,\), got {got} \(here\)\. .*{advice}"):
        checked_labels(labels, 3, SOURCE)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (None, "no such array"),
        (np.zeros((2, 4, 4, 3)), r"float64 of shape \(2, 4, 4, 3\)"),
        (np.zeros((2, 4, 4, 4), np.uint8), r"uint8 of shape \(2, 4, 4, 4\)"),
        (np.zeros((2, 3, 4, 4), np.uint8), r"uint8 of shape \(2, 3, 4, 4\)"),
        (np.zeros((4, 4), np.uint8), r"uint8 of shape \(4, 4\)"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"uint8 of shape \(0, 4, 4, 3\)"),
        (np.zeros((2, 0, 4), np.uint8), r"uint8 of shape \(2, 0, 4\)"),
    ],
)
def test_other_pictures_are_refused(images: NDArray[Any] | None, got: str) -> None:
    with pytest.raises(DataError, match=rf"`images` as uint8 .*, got {got} \(here\)\. Do this\."):
        picture_set(images, None, source=SOURCE)
