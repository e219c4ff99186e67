from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.data.images import ImageSet
from compress_onnx.data.npz import load_npz
from compress_onnx.errors import DataError


def load(path: Path) -> ImageSet:
    return load_npz(path, name="made", split="all")


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_pictures_labels_and_names(tmp_path: Path, pictures: NDArray[np.uint8]) -> None:
    labels = np.arange(6, dtype=np.uint8) % 2
    images = load(saved(tmp_path / "a.npz", images=pictures, labels=labels, class_names=np.array(["off", "on"])))
    assert images.info.class_names == ("off", "on")
    assert images.labels is not None
    assert images.labels.dtype == np.int64
    assert images.labels.tolist() == labels.tolist()
    np.testing.assert_array_equal(images.read(4), pictures[4])


def test_gray_pictures_become_rgb(tmp_path: Path, pictures: NDArray[np.uint8]) -> None:
    gray = pictures[..., 0]
    images = load(saved(tmp_path / "a.npz", images=gray))
    assert images.labels is None
    np.testing.assert_array_equal(images.read(1), np.stack([gray[1]] * 3, axis=-1))


def test_hash_knows_pictures_shape_and_labels(tmp_path: Path, pictures: NDArray[np.uint8]) -> None:
    variants: list[dict[str, Any]] = [
        {"images": pictures},
        {"images": pictures.reshape(6, 5, 4, 3)},
        {"images": pictures, "labels": np.zeros(6, dtype=int)},
        {"images": 255 - pictures},
    ]
    assert len({load(saved(tmp_path / "a.npz", **v)).info.sha256 for v in variants}) == 4


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pictures": np.zeros(3)}, "got no such array"),
        ({"images": np.zeros((2, 4, 4, 3))}, r"got float64 of shape \(2, 4, 4, 3\)"),
        ({"images": np.zeros((2, 4, 4, 4), np.uint8)}, r"got uint8 of shape \(2, 4, 4, 4\)"),
        ({"images": np.zeros((2, 4), np.uint8)}, r"got uint8 of shape \(2, 4\)"),
        ({"images": np.zeros((0, 4, 4, 3), np.uint8)}, r"got uint8 of shape \(0, 4, 4, 3\)"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(2)}, "as integers .*, got float64"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(3, int)}, r"shape \(2,\), got int64 .*\(3,\)"),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.array([0, -1])}, "got -1 in row 1"),
        (
            {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.array([0, 2]), "class_names": np.array(["a", "b"])},
            "labels from 0 to 1, got 2 in row 1",
        ),
        ({"images": np.array([{}, []], dtype=object)}, "Python objects, which could run any code"),
        ({"images": np.zeros((1, 4, 4), np.uint8), "labels": np.array(["x", 1], dtype=object)}, "Python objects"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load(saved(tmp_path / "a.npz", **arrays))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a whole .npz archive"),
        (b"not numpy", "Python objects"),
        (pickle.dumps([1]), "Python objects"),
        (b"PK\x03\x04 cut off", "a whole .npz archive"),
    ],
)
def test_other_bytes_are_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        load(path)


def test_a_single_array_and_a_missing_file(tmp_path: Path, pictures: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match=r"an .npz file, got no file \(.*a.npz\)"):
        load(tmp_path / "a.npz")
    with (tmp_path / "a.npz").open("wb") as stream:
        np.save(stream, pictures)
    with pytest.raises(DataError, match="got a single array"):
        load(tmp_path / "a.npz")


def test_damaged_pictures_in_an_archive(tmp_path: Path, pictures: NDArray[np.uint8]) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=pictures)
    content = bytearray(path.read_bytes())
    content[200:240] = b"\0" * 40
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"a whole \.npz archive"):
        load(path)
