from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.data.folder import load_folder
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import DataError


def load(path: Path) -> ImageSet:
    return load_folder(path, name="signs", split="all")


def test_sorted_folders_are_the_classes(class_folders: Path, pictures: NDArray[np.uint8]) -> None:
    images = load(class_folders)
    assert images.info.class_names == ("stop", "yield")
    assert images.sample_ids.tolist() == ["stop/2.png", "stop/3.png", "yield/0.png", "yield/1.png"]
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(images.read(2), pictures[0])


def test_other_files_and_hidden_folders_are_passed_over(class_folders: Path) -> None:
    before = load(class_folders).info
    (class_folders / "stop" / "notes.txt").write_text("red")
    (class_folders / ".cache").mkdir()
    assert load(class_folders).info == before


def test_hash_knows_content_and_class_but_not_the_place(class_folders: Path, tmp_path: Path) -> None:
    before = load(class_folders).info.sha256
    moved = class_folders.rename(tmp_path / "elsewhere")
    assert load(moved).info.sha256 == before
    # "-3" sorts before "0": the sequence of pictures stays the same, only the class changes.
    (moved / "stop" / "3.png").rename(moved / "yield" / "-3.png")
    assert load(moved).info.sha256 != before


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one folder per class, got an empty folder"):
        load(tmp_path)


def test_pictures_without_class_folders(class_folders: Path) -> None:
    with pytest.raises(DataError, match="one folder per class, got a folder without folders"):
        load(class_folders / "stop")


def test_a_class_without_pictures(class_folders: Path) -> None:
    (class_folders / "give way").mkdir()
    with pytest.raises(DataError, match=r"pictures in every class folder, got none \(.*give way\)"):
        load(class_folders)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder that can be read, got No such file or directory \(.*gone\)"):
        load(tmp_path / "gone")


def test_a_corrupt_and_a_vanished_picture_are_named(class_folders: Path) -> None:
    (class_folders / "stop" / "2.png").write_bytes(b"\x89PNG broken")
    images = load(class_folders)
    with pytest.raises(DataError, match=r"a picture that decodes, got .* \(.*2.png\)"):
        images.read(0)
    (class_folders / "stop" / "3.png").unlink()
    with pytest.raises(DataError, match=r"a picture that can be read, got No such file or directory \(.*3.png\)"):
        images.read(1)
