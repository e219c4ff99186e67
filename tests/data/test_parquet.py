from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from compress_onnx.data.parquet import load_parquet, save_parquet
from compress_onnx.errors import DataError, OutputError

NAMES = ("ant", "bee", "cat")


def load(path: Path) -> Any:
    return load_parquet(path, name="made", split="test")


def write(path: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def test_what_is_saved_is_loaded(tmp_path: Path, rows: list[dict[str, Any]], pictures: NDArray[np.uint8]) -> None:
    path = tmp_path / "made" / "test.parquet"
    save_parquet(path, iter(rows), class_names=NAMES)
    images = load(path)
    assert images.info.class_names == NAMES
    assert images.info.n == len(images) == 6
    assert images.sample_ids.tolist() == [f"p{i}.png" for i in range(6)]
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(np.stack([images.read(i) for i in range(6)]), pictures)
    assert images.groups is None


def test_saved_metadata_is_the_hugging_face_layout(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.parquet"
    save_parquet(path, [row | {"track": 4} for row in rows], class_names=NAMES)
    schema = pq.read_schema(path)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"names": list(NAMES), "_type": "ClassLabel"}
    assert schema.names == ["image", "label", "track"]


def test_more_rows_than_one_chunk_are_all_kept(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.parquet"
    save_parquet(path, (rows[i % 6] for i in range(4_500)), class_names=NAMES)
    images = load(path)
    assert len(images) == 4_500
    assert images.sample_ids[4_499] == "4499", "paths repeat, so row numbers are the ids"


def test_hash_knows_pictures_order_and_labels(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    def digest(chosen: list[dict[str, Any]]) -> str:
        save_parquet(tmp_path / "a.parquet", chosen, class_names=NAMES)
        return str(load(tmp_path / "a.parquet").info.sha256)

    assert digest(rows) == digest(list(rows))
    assert len({digest(rows), digest(rows[::-1]), digest(rows[:5]), digest([r | {"label": 0} for r in rows])}) == 4


def test_tracks_group_frames_of_one_class(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    tracked = [row | {"label": i // 3, "track": i % 2} for i, row in enumerate(rows)]
    save_parquet(tmp_path / "a.parquet", tracked, class_names=NAMES)
    assert load(tmp_path / "a.parquet").groups.tolist() == [0, 1, 0, 3, 2, 3]


def test_labels_and_names_are_optional(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    pictures = [row["image"] for row in rows]
    unlabeled = load(write(tmp_path / "a.parquet", {"image": pictures, "weather": ["rain"] * 6}))
    assert unlabeled.labels is None
    assert unlabeled.info.class_names == ()
    unnamed = load(write(tmp_path / "b.parquet", {"image": pictures, "label": [0, 1, 2, 0, 1, 4]}))
    assert unnamed.info.class_names == ("0", "1", "2", "3", "4")


def test_a_failing_source_leaves_no_file(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    def broken() -> Any:
        yield rows[0]
        raise KeyError("gone")

    with pytest.raises(KeyError):
        save_parquet(tmp_path / "a.parquet", broken(), class_names=NAMES)
    with pytest.raises(DataError, match="at least one picture, got none"):
        save_parquet(tmp_path / "a.parquet", [], class_names=NAMES)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="place that can be written"):
        save_parquet(tmp_path / "file" / "a.parquet", rows, class_names=NAMES)


def test_missing_empty_and_truncated_files(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(DataError, match=r"Expected a Parquet file, got no file \(.*a.parquet\)"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="a whole Parquet file"):
        load(path)
    save_parquet(path, rows, class_names=NAMES)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="a whole Parquet file"):
        load(path)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"picture": [1]}, "column `image` with the field `bytes`, got the columns none known"),
        ({"image": [b"x"]}, "got `image` of type binary"),
        ({"image": [{"path": "a.png"}]}, "got `image` of type struct<path: string>"),
        ({"image": pa.array([], pa.struct({"bytes": pa.binary()}))}, "at least one picture, got no rows"),
        ({"image": [{"bytes": b"x"}, {"bytes": None}]}, "bytes in every row of `image`, got 1 rows without"),
        ({"image": [{"bytes": b"x"}, None]}, "bytes in every row of `image`, got 1 rows without"),
        ({"image": [{"bytes": b"x"}], "label": [0.5]}, "integer in every row of `label`, got double"),
        ({"image": [{"bytes": b"x"}], "label": pa.array([None], pa.int64())}, "got 1 empty rows"),
        ({"image": [{"bytes": b"x"}], "label": [-1]}, r"labels from 0 to -?\d+, got -1 in row 0"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, columns: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load(write(tmp_path / "a.parquet", columns))


def test_a_label_beyond_the_class_names(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    save_parquet(tmp_path / "a.parquet", rows, class_names=NAMES[:2])
    with pytest.raises(DataError, match=r"labels from 0 to 1, got 2 in row 2 \(.*a.parquet\)"):
        load(tmp_path / "a.parquet")


@pytest.mark.parametrize("damage", [lambda png: png[:30], lambda png: b"", lambda png: b"GIF89a" + png])
def test_a_corrupt_picture_names_its_row(
    tmp_path: Path, rows: list[dict[str, Any]], damage: Callable[[bytes], bytes]
) -> None:
    rows[1]["image"]["bytes"] = damage(rows[1]["image"]["bytes"])
    save_parquet(tmp_path / "a.parquet", rows, class_names=NAMES)
    images = load(tmp_path / "a.parquet")
    images.read(0)
    with pytest.raises(DataError, match=r"a picture that decodes, got .* \(.*a.parquet, row 1\)"):
        images.read(1)
