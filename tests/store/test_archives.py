"""Archives come back as they were; whatever is wrong with one is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compress_onnx.errors import RecordError
from compress_onnx.store.archives import archive, write_archive


def test_arrays_come_back_with_their_types(tmp_path: Path) -> None:
    arrays = {"a": np.arange(3, dtype=np.int8), "b": np.array(["x", "ü"]), "c": np.zeros((0, 2), np.float32)}
    write_archive(tmp_path / "deep" / "x.npz", arrays)
    with archive(tmp_path / "deep" / "x.npz", "numbers") as read:
        for name, values in arrays.items():
            assert read[name].dtype == values.dtype
            np.testing.assert_array_equal(read[name], values)


def test_objects_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_archive(tmp_path / "x.npz", {"a": np.array([object()], dtype=object)})
    assert list(tmp_path.iterdir()) == []


def test_what_the_reader_misses_or_refuses_is_a_record_error(tmp_path: Path) -> None:
    write_archive(tmp_path / "x.npz", {"a": np.zeros(1)})
    with (
        pytest.raises(RecordError, match=r"Expected numbers in \.npz, got .*other"),
        archive(tmp_path / "x.npz", "numbers") as read,
    ):
        _ = read["other"]
    with pytest.raises(RecordError, match="got invalid literal"), archive(tmp_path / "x.npz", "numbers"):
        int("too few")


def test_another_mistake_stays_a_mistake(tmp_path: Path) -> None:
    write_archive(tmp_path / "x.npz", {"a": np.zeros(1)})
    with pytest.raises(ZeroDivisionError), archive(tmp_path / "x.npz", "numbers"):
        _ = 1 / 0
