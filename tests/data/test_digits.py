from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from compress_onnx.data.content import content_hashes
from compress_onnx.data.digits import load, upscaled
from compress_onnx.errors import MissingExtraError, UnknownNameError


def test_the_splits_are_all_of_scikit_learns_digits_once() -> None:
    reference = pytest.importorskip("sklearn.datasets").load_digits()
    train, test = load("train", Path()), load("test", Path())
    assert (len(train), len(test)) == (1_297, 500)
    ids = [*train.sample_ids.tolist(), *test.sample_ids.tolist()]
    assert sorted(ids) == [f"digits/{i:04d}" for i in range(1_797)]
    assert test.labels is not None
    assert np.bincount(test.labels).tolist() == [50] * 10
    rows = [int(name.split("/")[1]) for name in test.sample_ids]
    np.testing.assert_array_equal(test.labels, reference.target[rows])
    np.testing.assert_array_equal(test.read(7), upscaled(reference.images[rows[7]].astype(np.uint8)))


def test_no_picture_is_in_both_splits() -> None:
    pytest.importorskip("sklearn")
    assert not content_hashes(load("train", Path())) & content_hashes(load("test", Path()))


def test_loading_twice_gives_the_same_set() -> None:
    pytest.importorskip("sklearn")
    assert load("test", Path()).info == load("test", Path()).info
    assert load("test", Path()).info.sha256 != load("train", Path()).info.sha256


def test_pictures_are_gray_rgb_of_32_pixels() -> None:
    picture = upscaled(np.arange(64, dtype=np.uint8).reshape(8, 8) % 17)
    assert picture.shape == (32, 32, 3)
    assert picture.dtype == np.uint8
    assert (picture[..., 0] == picture[..., 2]).all()


def test_an_unknown_split() -> None:
    with pytest.raises(UnknownNameError, match="a split, got 'validation'"):
        load("validation", Path())


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'compress-onnx\[torch\]'"):
        load("test", Path())
