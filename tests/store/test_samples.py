"""Rows and pictures come back from disk as they were; half a table is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compress_onnx import store
from compress_onnx.errors import RecordError
from compress_onnx.records import FlipKind


def test_samples_survive_the_disk(tmp_path: Path) -> None:
    columns = {"id": np.array(["a", "b"]), "label": np.array([1, 2]), "margin": np.array([0.5, 0.25], np.float32)}
    with store.samples_written(tmp_path) as write:
        write(columns)
        write(columns)
        assert store.load_samples(tmp_path) is None
    found = store.load_samples(tmp_path)
    assert found is not None
    assert {name: values.tolist() for name, values in found.items()} == {
        name: [*values.tolist(), *values.tolist()] for name, values in columns.items()
    }


def test_half_a_table_is_none(tmp_path: Path) -> None:
    def break_off() -> None:
        with store.samples_written(tmp_path) as write:
            write({"id": np.array(["a"])})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert list(tmp_path.iterdir()) == []


def _save_pictures(folder: Path, *parts: dict[tuple[str, str], bytes]) -> None:
    with store.pictures_written(folder) as write:
        for part in parts:
            write(part)


def test_pictures_survive_the_disk(tmp_path: Path) -> None:
    pictures = {("b", ""): b"\x89PNG", ("a", "prune:0.5"): b"\0\xff", ("a", ""): b""}
    _save_pictures(tmp_path, pictures)
    assert store.load_pictures(tmp_path) == pictures


def test_a_picture_shown_for_two_candidates_is_kept_once(tmp_path: Path) -> None:
    _save_pictures(tmp_path, {("a", ""): b"1", ("a", "x"): b"2"}, {("a", ""): b"1", ("a", "y"): b"3"})
    assert store.load_pictures(tmp_path) == {("a", ""): b"1", ("a", "x"): b"2", ("a", "y"): b"3"}
    assert pq.read_table(tmp_path / store.PICTURES_FILE).num_rows == 3


def test_no_picture_is_a_table_too(tmp_path: Path) -> None:
    _save_pictures(tmp_path)
    assert (tmp_path / store.PICTURES_FILE).exists()
    assert store.load_pictures(tmp_path) == {}


def test_equal_tables_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    pictures = {("b", ""): b"1", ("a", ""): b"2"}
    _save_pictures(tmp_path / "x", pictures)
    _save_pictures(tmp_path / "y", dict(reversed(pictures.items())))
    assert (tmp_path / "x" / store.PICTURES_FILE).read_bytes() == (tmp_path / "y" / store.PICTURES_FILE).read_bytes()


def test_absent_tables_are_empty(tmp_path: Path) -> None:
    assert store.load_samples(tmp_path) is None
    assert store.load_pictures(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 no table PAR1"])
def test_corrupt_tables_are_refused(tmp_path: Path, content: bytes) -> None:
    for name, load in ((store.SAMPLES_FILE, store.load_samples), (store.PICTURES_FILE, store.load_pictures)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordError, match="a Parquet table of this tool"):
            load(tmp_path)


def test_pictures_of_other_columns_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / store.PICTURES_FILE)
    with pytest.raises(RecordError, match="columns sample_id, artifact and png, got x"):
        store.load_pictures(tmp_path)


def test_flips_without_labels_are_called_as_today_in_older_runs_too(tmp_path: Path) -> None:
    with store.samples_written(tmp_path) as write:
        write({"sample_id": np.array(["a", "b"]), "flip_kind": np.array(["unlabelled", "same"])})
    found = store.load_samples(tmp_path)
    assert found is not None
    assert found["flip_kind"].tolist() == [FlipKind.UNLABELLED.value, "same"]
