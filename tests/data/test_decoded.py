"""Each picture is decoded once, whatever the models take; pixels beyond the limit lie in a file that goes."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.data.decoded import decoded_once
from compress_onnx.data.images import ImageSet
from compress_onnx.records.artifacts import Preprocessing

SMALL = Preprocessing(height=4, width=5, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
LARGE = dataclasses.replace(SMALL, height=9, width=7, layout="NHWC")
GRAY = dataclasses.replace(SMALL, mean=(0.5,), std=(0.5,))
MakeSet = Callable[..., ImageSet]


@pytest.mark.parametrize("limit", [0, 10**9])
@pytest.mark.parametrize("step", [1, 4, 6])
def test_inputs_are_those_of_the_image_set_and_decoded_once(
    make_set: MakeSet, pictures: NDArray[np.uint8], limit: int, step: int
) -> None:
    images = make_set(pictures, None)
    read: Counter[int] = Counter()

    def counted(row: int) -> NDArray[np.uint8]:
        read[row] += 1
        return images.read(row)

    forms = (SMALL, LARGE, GRAY)
    with decoded_once(dataclasses.replace(images, read=counted), forms, in_memory_bytes=limit) as decoded:
        for form in (*forms, LARGE):
            found = [decoded.inputs(start, min(start + step, 6), form) for start in range(0, 6, step)]
            np.testing.assert_array_equal(np.concatenate(found), np.concatenate(list(images.batches(form))))
        np.testing.assert_array_equal(decoded.sized(LARGE).pixels(1, 3, LARGE), images.pixels(1, 3, LARGE))
    assert read == Counter(range(6))


def test_overlapping_rows_are_not_decoded_again(make_set: MakeSet, pictures: NDArray[np.uint8]) -> None:
    images = make_set(pictures, None)
    expected = np.concatenate(list(images.batches(SMALL)))
    with decoded_once(images, [SMALL]) as decoded:
        for start, stop in ((2, 4), (0, 6), (3, 5)):
            np.testing.assert_array_equal(decoded.inputs(start, stop, SMALL), expected[start:stop])


def test_several_threads_may_ask(make_set: MakeSet) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (200, 4, 5, 3), dtype=np.uint8)
    images = make_set(pictures, None)
    with decoded_once(images, [SMALL]) as decoded, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: decoded.inputs(row, row + 1, SMALL), range(200)))
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(list(images.batches(SMALL))))


def test_the_file_has_no_name_that_could_be_left_behind(
    make_set: MakeSet, pictures: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fail() -> None:
        with decoded_once(make_set(pictures, None), [SMALL], in_memory_bytes=100) as decoded:
            decoded.inputs(0, 6, SMALL)
            assert isinstance(decoded._stores[4, 5], np.memmap)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_decoded_unasked(make_set: MakeSet, pictures: NDArray[np.uint8]) -> None:
    def never(row: int) -> NDArray[np.uint8]:
        raise AssertionError(row)

    with decoded_once(dataclasses.replace(make_set(pictures, None), read=never), [SMALL]):
        pass
