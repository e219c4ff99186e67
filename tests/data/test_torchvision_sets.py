from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.data.parquet import save_parquet
from compress_onnx.data.torchvision_sets import CIFAR10_CLASSES, GTSRB_CLASSES, load_cifar10, load_gtsrb
from compress_onnx.errors import DataError, MissingExtraError, UnknownNameError


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")

    def refuse(*args: object, **kwargs: object) -> None:
        raise URLError("no network in tests")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
    monkeypatch.setattr("torchvision.datasets.gtsrb.download_and_extract_archive", refuse)


@pytest.fixture
def cifar_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: None) -> NDArray[np.uint8]:
    """Two pictures in each of CIFAR-10's six batch files, with checksums that fit them: (12, 32, 32, 3)."""
    from torchvision.datasets import CIFAR10

    pixels = np.random.default_rng(1).integers(0, 256, size=(12, 32, 32, 3), dtype=np.uint8)
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()

    def write(name: str, content: dict[str, Any]) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()

    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    sums = []
    for i, name in enumerate(names):
        rows = pixels[2 * i : 2 * i + 2].transpose(0, 3, 1, 2).reshape(2, -1)
        sums.append([name, write(name, {"data": rows, "labels": [i, 9 - i]})])
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:])
    md5 = write("batches.meta", {"label_names": list(CIFAR10_CLASSES)})
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5})
    return pixels


def test_cifar10_in_torchvisions_layout_is_stored_once(tmp_path: Path, cifar_batches: NDArray[np.uint8]) -> None:
    train, test = load_cifar10("train", tmp_path), load_cifar10("test", tmp_path)
    assert train.info.class_names == CIFAR10_CLASSES
    assert train.labels is not None
    assert train.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert train.sample_ids[3] == "train/00003.png"
    np.testing.assert_array_equal(np.stack([train.read(i) for i in range(10)]), cifar_batches[:10])
    np.testing.assert_array_equal(test.read(1), cifar_batches[11])
    for file in (tmp_path / "cifar-10-batches-py").iterdir():
        file.unlink()
    assert load_cifar10("train", tmp_path).info == train.info, "the second time it comes from Parquet"


def test_a_damaged_batch_is_not_read(tmp_path: Path, cifar_batches: NDArray[np.uint8]) -> None:
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"cos\nsystem\n")
    with pytest.raises(DataError, match=r"CIFAR10 stored or to be downloaded by torchvision, got URLError"):
        load_cifar10("train", tmp_path)
    assert not (tmp_path / "cifar10" / "train.parquet").exists()


@pytest.fixture
def gtsrb_files(tmp_path: Path, no_network: None) -> NDArray[np.uint8]:
    """Training pictures of classes 0 and 14 (tracks 22 and 23), two test pictures: (5, 48, 40, 3)."""
    pixels = np.random.default_rng(2).integers(0, 256, size=(5, 48, 40, 3), dtype=np.uint8)
    base = tmp_path / "gtsrb" / "GTSRB"
    names = [f"Training/{name}.ppm" for name in ("00000/00003_00007", "00014/00022_00000", "00014/00023_00000")]
    names += [f"Final_Test/Images/{i:05d}.ppm" for i in range(2)]
    for name, picture in zip(names, pixels, strict=True):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(base / name)
    # torchvision numbers folders in sorted order, so all 43 must be there to be what they say.
    for label in range(43):
        folder = base / "Training" / f"{label:05d}"
        folder.mkdir(exist_ok=True)
        if not any(folder.iterdir()):
            Image.fromarray(pixels[0]).save(folder / "00000_00000.ppm")
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text(
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
        "00000.ppm;40;48;5;5;35;43;16\n00001.ppm;40;48;5;5;35;43;1\n"
    )
    return pixels


def small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BILINEAR))


def test_gtsrb_test_files_keep_their_names_and_labels(tmp_path: Path, gtsrb_files: NDArray[np.uint8]) -> None:
    test = load_gtsrb("test", tmp_path)
    assert test.sample_ids.tolist() == ["00000.png", "00001.png"]
    assert test.labels is not None
    assert test.labels.tolist() == [16, 1]
    assert test.info.class_names == GTSRB_CLASSES
    np.testing.assert_array_equal(test.read(1), small(gtsrb_files[4]))


def test_gtsrb_training_leaves_out_the_track_that_the_test_set_repeats(
    tmp_path: Path, gtsrb_files: NDArray[np.uint8]
) -> None:
    train = load_gtsrb("train", tmp_path)
    ids = train.sample_ids.tolist()
    assert len(train) == 43
    assert "00014_00022_00000.png" in ids
    assert not [name for name in ids if name.startswith("00014_00023")]
    np.testing.assert_array_equal(train.read(ids.index("00000_00003_00007.png")), small(gtsrb_files[0]))
    stored = pq.read_table(tmp_path / "gtsrb" / "train.parquet")
    assert stored.num_rows == 44, "what is stored is complete"
    assert stored["track"].to_pylist()[:2] == [3, 0]


def test_stored_parquet_needs_no_torchvision(
    tmp_path: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_parquet(tmp_path / "gtsrb" / "test.parquet", rows, class_names=("a", "b", "c"))
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert len(load_gtsrb("test", tmp_path)) == 6
    with pytest.raises(MissingExtraError, match=r"no module torchvision .*pip install 'compress-onnx\[torch\]'"):
        load_gtsrb("train", tmp_path)


@pytest.mark.parametrize(("load", "name"), [(load_cifar10, "CIFAR10"), (load_gtsrb, "GTSRB")])
def test_without_network_the_way_out_is_named(
    tmp_path: Path, no_network: None, load: Callable[[str, Path], object], name: str
) -> None:
    with pytest.raises(DataError, match=rf"{name} stored .*URLError.*set COMPRESS_ONNX_DATA to a folder"):
        load("train", tmp_path)


def test_an_unknown_split_is_not_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="a split, got 'valid'"):
        load_gtsrb("valid", tmp_path)
