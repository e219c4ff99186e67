"""Batches that a model takes as they are: gone through once, fed to the bit, and pictures again where they were."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.data.arrays import Source, picture_set
from compress_onnx.data.inputs import InputSet, array_set, batch_set, expect_shape
from compress_onnx.data.preprocess import preprocess
from compress_onnx.errors import DataError
from compress_onnx.records.artifacts import Preprocessing

FORM = Preprocessing(height=4, width=5, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
LAST = dataclasses.replace(FORM, layout="NHWC")
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def values() -> NDArray[np.float32]:
    """Inputs (6, 3, 4, 5) that no picture makes."""
    return np.random.default_rng(1).normal(0, 3, (6, 3, 4, 5)).astype(np.float32)


class Loader:
    """Batches of two as a generator with one buffer gives them: the same array, filled again and again."""

    def __init__(self, values: NDArray[Any], labels: NDArray[np.int64]) -> None:
        self.values, self.labels, self.asked = values, labels, 0

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        self.asked += 1
        buffer, numbers = np.empty_like(self.values[:2]), np.empty_like(self.labels[:2])
        for start in range(0, len(self.values), 2):
            buffer[...] = self.values[start : start + 2]
            numbers[...] = self.labels[start : start + 2]
            yield buffer, numbers


def inputs_of(images: Any) -> InputSet:
    assert isinstance(images, InputSet)
    return images


def test_a_loader_is_gone_through_once_and_its_buffers_may_be_filled_again(values: NDArray[np.float32]) -> None:
    loader = Loader(values, LABELS)
    images = inputs_of(batch_set(loader, name="mine"))
    assert loader.asked == 1
    np.testing.assert_array_equal(images.values, values)
    assert images.labels is not None
    assert images.labels.tolist() == LABELS.tolist()
    assert (images.info.name, images.info.n, images.info.class_names) == ("mine", 6, ("0", "1", "2"))


def test_a_loader_of_pictures_may_fill_its_buffer_again_too(pictures: NDArray[np.uint8]) -> None:
    images = batch_set(Loader(pictures, LABELS))
    for row, picture in enumerate(pictures):
        np.testing.assert_array_equal(images.read(row), picture)
    assert images.info.sha256 == array_set(pictures, LABELS).info.sha256


@pytest.mark.parametrize("form", [FORM, LAST], ids=["NCHW", "NHWC"])
def test_inputs_are_fed_to_the_bit_in_any_batch(values: NDArray[np.float32], form: Preprocessing) -> None:
    given = values if form is FORM else np.ascontiguousarray(np.moveaxis(values, 1, 3))
    images = array_set(given, LABELS).seen_by(form)
    assert inputs_of(images).own_form == form
    for size in (1, 4, 100):
        batches = list(images.batches(form, size))
        assert [len(batch) for batch in batches] == [len(given[start : start + size]) for start in range(0, 6, size)]
        np.testing.assert_array_equal(np.concatenate(batches), given)


def test_other_floats_become_single_precision(values: NDArray[np.float32]) -> None:
    for kind in (np.float64, np.float16):
        images = inputs_of(array_set(values.astype(kind), None))
        np.testing.assert_array_equal(images.values, values.astype(kind).astype(np.float32))
        assert images.values.dtype == np.float32
        assert images.labels is None


@pytest.mark.parametrize("form", [FORM, LAST], ids=["NCHW", "NHWC"])
def test_inputs_that_pictures_made_are_those_pictures(pictures: NDArray[np.uint8], form: Preprocessing) -> None:
    """The same images are the same data set, whichever way they come."""
    seen = array_set(preprocess(pictures, form), LABELS, name="set").seen_by(form)
    assert not isinstance(seen, InputSet)
    wanted = picture_set(pictures, LABELS, source=Source(name="set"))
    assert seen.info == wanted.info
    assert seen.sample_ids.tolist() == wanted.sample_ids.tolist()
    np.testing.assert_array_equal(np.stack([seen.read(row) for row in range(6)]), pictures)


def test_pictures_come_back_beyond_one_chunk() -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (600, 4, 5, 3), dtype=np.uint8)
    seen = array_set(preprocess(pictures, FORM), None).seen_by(FORM)
    assert seen.info.sha256 == array_set(pictures, None).info.sha256


@pytest.mark.parametrize("row", [0, 300, 599])
def test_one_bit_that_no_picture_makes_keeps_all_as_inputs(row: int) -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (600, 4, 5, 3), dtype=np.uint8)
    given = preprocess(pictures, FORM)
    given[row, 1, 2, 3] = np.nextafter(given[row, 1, 2, 3], np.float32(9))
    seen = array_set(given, None).seen_by(FORM)
    np.testing.assert_array_equal(inputs_of(seen).values, given)
    # What is shown are the nearest pictures, which are those they were made from.
    np.testing.assert_array_equal(seen.pixels(0, 600, FORM), pictures)
    np.testing.assert_array_equal(seen.read(row), pictures[row])


def test_every_picture_of_every_gray_comes_back_to_a_model_of_one_channel() -> None:
    gray = Preprocessing(height=1, width=1, mean=(0.1307,), std=(0.3081,))
    pictures = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 1, 1, 3)
    given = preprocess(pictures, gray)
    seen = array_set(given, None).seen_by(gray)
    np.testing.assert_array_equal(seen.pixels(0, 256, gray), pictures)
    np.testing.assert_array_equal(seen.inputs(0, 256, gray), given)


def test_large_inputs_are_kept_in_a_file_and_are_the_same_set(
    values: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    batches = [(values[:4], LABELS[:4]), (values[4:], LABELS[4:])]
    small = inputs_of(batch_set(batches, in_memory_bytes=values.nbytes))
    assert not isinstance(small.values, np.memmap)
    for limit in (0, values[:4].nbytes, values.nbytes - 1):
        large = inputs_of(batch_set(batches, in_memory_bytes=limit))
        assert isinstance(large.values, np.memmap)
        assert large.info == small.info
        np.testing.assert_array_equal(large.inputs(1, 5, large.form), values[1:5])
    assert list(tmp_path.iterdir()) == []


def test_large_pictures_are_kept_in_a_file_and_are_the_same_set(pictures: NDArray[np.uint8]) -> None:
    batches = [(pictures[:4], LABELS[:4]), (pictures[4:], LABELS[4:])]
    small, large = batch_set(batches), batch_set(batches, in_memory_bytes=1)
    assert large.info == small.info
    np.testing.assert_array_equal(large.read(5), pictures[5])


def test_a_subset_keeps_inputs_labels_and_ids_together(values: NDArray[np.float32]) -> None:
    whole = array_set(values, LABELS)
    part = inputs_of(whole.subset(np.array([5, 1]), split="some"))
    np.testing.assert_array_equal(part.inputs(0, 2, part.form), values[[5, 1]])
    np.testing.assert_array_equal(part.read(0), whole.read(5))
    assert part.labels is not None
    assert (part.labels.tolist(), part.sample_ids.tolist()) == ([2, 1], ["5", "1"])
    assert (part.info.n, part.info.split) == (2, "some")
    assert part.info.sha256 != whole.info.sha256


def test_the_hash_knows_values_shape_and_labels(values: NDArray[np.float32]) -> None:
    variants = [
        (values, LABELS),
        (values, LABELS[::-1]),
        (values, None),
        (values.reshape(6, 3, 5, 4), LABELS),
        (-values, LABELS),
    ]
    assert len({array_set(*variant).info.sha256 for variant in variants}) == 5


def test_tensors_are_arrays_wherever_gradients_are(values: NDArray[np.float32]) -> None:
    torch = pytest.importorskip("torch")
    tensors = torch.utils.data.TensorDataset(torch.from_numpy(values), torch.from_numpy(LABELS))
    wanted = array_set(values, LABELS, name="batches")
    loader = torch.utils.data.DataLoader(tensors, batch_size=4)
    assert batch_set(loader).info == wanted.info
    leaf = torch.from_numpy(values).requires_grad_()
    assert batch_set([(leaf, LABELS)]).info == wanted.info
    assert batch_set([leaf]).info == array_set(values, None, name="batches").info


@pytest.mark.parametrize(
    ("batches", "sentence"),
    [
        ([], "at least one image, got none"),
        ([(np.zeros((0, 4, 5, 3), np.uint8), np.zeros(0, int))], "at least one image, got none"),
        ([np.zeros((2, 3, 4), np.float32)], r"four dimensions .*, got float32 of shape \(2, 3, 4\)"),
        ([np.zeros((2, 4, 5, 3), np.int64)], r"float32 inputs .*, got int64 of shape"),
        ([np.zeros((2, 4, 5, 3), bool)], r"float32 inputs .*, got bool of shape"),
        ([np.zeros((2, 3, 4, 5), np.uint8)], r"uint8 pictures \(B, H, W, 3\), got uint8 of shape \(2, 3, 4, 5\)"),
        ([np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 5, 5, 3), np.uint8)], "batches like the first, uint8 of"),
        ([np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3), np.float32)], r"first, uint8 .*, got float32 of"),
        ([(np.zeros((2, 4, 4, 3), np.uint8), None), (np.zeros((2, 4, 4, 3), np.uint8), [0, 1])], "got 1 of 2 with"),
        ([(np.zeros((2, 4, 4, 3), np.uint8), [0, 1], 3)], r"batches of \(inputs, labels\), got a tuple of 3"),
        ([{"pixels": np.zeros((2, 4, 4, 3), np.uint8)}], r"batches of \(inputs, labels\), got a dict of 1"),
        ([(np.zeros((2, 3, 4, 4), np.float32), [0, -1])], "labels from 0 to 0, got -1 in row 1"),
        ([(np.zeros((2, 3, 4, 4), np.float32), [0.0, 1.0])], "`labels` as integers"),
        ([([[1], [1, 2]], [0, 1])], "arrays, got list"),
        (["text"], "arrays of numbers, got str"),
    ],
)
def test_other_batches_are_refused_in_one_sentence(batches: list[Any], sentence: str) -> None:
    with pytest.raises(DataError, match=rf"{sentence}.* \(data\)\. "):
        batch_set(batches)


def test_a_generator_that_is_used_up_is_said_to_be(values: NDArray[np.float32]) -> None:
    batches = iter([(values, LABELS)])
    batch_set(batches)
    with pytest.raises(DataError, match="A generator gives its batches once: make it anew"):
        batch_set(batches)


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        (FORM, (3, 5, 4)),
        (FORM, (4, 5, 3)),
        (LAST, (3, 4, 5)),
        (FORM, (1, 4, 5)),
    ],
)
def test_another_shape_than_the_models_is_refused(form: Preprocessing, shape: tuple[int, ...]) -> None:
    wanted = r"3, 4, 5" if form is FORM else "4, 5, 3"
    given = ", ".join(map(str, shape))
    images = array_set(np.zeros((2, *shape), np.float32), None)
    for use in (
        lambda: expect_shape(shape, form),
        lambda: images.seen_by(form),
        lambda: images.inputs(0, 2, form),
    ):
        with pytest.raises(DataError, match=rf"shape \(N, {wanted}\), as the model takes, got \(N, {given}\) \(data\)"):
            use()
    expect_shape((3, 4, 5) if form is FORM else (4, 5, 3), form)
