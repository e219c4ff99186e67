from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.data.images import ImageSet
from compress_onnx.data.parquet import save_parquet
from compress_onnx.data.sources import load_data
from compress_onnx.errors import DataError, UnknownNameError


@pytest.fixture
def stored(tmp_path: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with `cifar10/train.parquet` (6 pictures) and `cifar10/test.parquet` (2)."""
    save_parquet(tmp_path / "cifar10" / "train.parquet", rows, class_names=("a", "b", "c"))
    save_parquet(tmp_path / "cifar10" / "test.parquet", rows[:2], class_names=("a", "b", "c"))
    monkeypatch.setenv("COMPRESS_ONNX_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("spec", "split", "n"), [("cifar10", "test", 2), ("cifar10:train", "train", 6)])
def test_a_name_means_its_test_split_unless_it_says_otherwise(stored: Path, spec: str, split: str, n: int) -> None:
    info = load_data(spec).info
    assert (info.name, info.split, info.n) == ("cifar10", split, n)


def test_a_path_is_called_by_its_place(stored: Path, class_folders: Path, pictures: NDArray[np.uint8]) -> None:
    by_path = load_data(str(stored / "cifar10" / "test.parquet"))
    assert by_path.info == load_data("cifar10").info
    np.savez(stored / "six.npz", images=pictures)
    assert (load_data(str(stored / "six.npz")).info.name, load_data(str(class_folders)).info.name) == ("six", "signs")
    assert load_data(str(class_folders)).info.split == "all"


def test_a_name_wins_over_a_folder_of_that_name(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stored)
    assert load_data("cifar10").info.n == 2


@pytest.mark.parametrize("spec", ["cifar1", "cifar1:train"])
def test_an_unknown_name_gets_near_names_and_the_list(spec: str) -> None:
    with pytest.raises(UnknownNameError, match=r"a data set, got 'cifar1'. Did you mean cifar10\? Known: cifar10, dig"):
        load_data(spec)


def test_an_unknown_split_is_named(stored: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"a split, got 'tset' \(cifar10:tset\). Did you mean test\?"):
        load_data("cifar10:tset")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gone.parquet", "a Parquet file, got no file"),
        ("gone.npz", "an .npz file, got no file"),
        ("gone/folder", "got no such file"),
        ("gone.zip", "got no such file"),
    ],
)
def test_a_missing_path_is_said_to_be_missing(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load_data(str(tmp_path / name))


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(DataError, match=r"a .parquet or .npz file, or a directory, got a file ending in '.csv'"):
        load_data(str(tmp_path / "a.csv"))


def test_a_plug_in_must_return_an_image_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def registry() -> dict[str, Callable[[str, Path], object]]:
        return {"odd": lambda split, root: [split]}

    monkeypatch.setattr("compress_onnx.data.sources.datasets", registry)
    with pytest.raises(DataError, match=r"an ImageSet, got list \(data set odd\)"):
        load_data("odd")


def test_a_plug_in_gets_split_and_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_set: Callable[..., ImageSet], pictures: NDArray[np.uint8]
) -> None:
    asked = []

    def load(split: str, root: Path) -> ImageSet:
        asked.append((split, root))
        return make_set(pictures, None)

    monkeypatch.setenv("COMPRESS_ONNX_DATA", str(tmp_path))
    monkeypatch.setattr("compress_onnx.data.sources.datasets", lambda: {"mine": load})
    load_data("mine:night")
    assert asked == [("night", tmp_path)]
