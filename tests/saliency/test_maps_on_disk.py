from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from compress_onnx.saliency.maps_on_disk import MapsOnDisk  # after the skip


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5), data=st.data())
def test_what_was_written_is_read_whatever_the_batches(sizes: list[int], data: st.DataObject) -> None:
    maps = np.random.default_rng(0).standard_normal((sum(sizes), 3, 5), dtype=np.float32)
    stored = MapsOnDisk()
    for part in np.split(maps, np.cumsum(sizes)[:-1]):
        stored.append(part)
    rows = np.array(data.draw(st.lists(st.integers(0, len(maps) - 1), max_size=6)), dtype=np.int64)
    assert (len(stored), stored.shape) == (len(maps), (3, 5))
    assert np.array_equal(stored.pick(rows), maps[rows])
    start = data.draw(st.integers(0, len(maps) - 1))
    assert np.array_equal(stored.read(slice(start, len(maps))), maps[start:])


def test_reading_in_between_does_not_disturb_writing() -> None:
    stored = MapsOnDisk()
    stored.append(np.zeros((2, 2, 2), np.float32))
    stored.read(slice(0, 1))
    stored.append(np.ones((1, 2, 2), np.float32))
    assert stored.read(slice(0, 3)).mean(axis=(1, 2)).tolist() == [0, 0, 1]


def test_the_file_goes_with_its_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stored = MapsOnDisk()
    stored.append(np.zeros((1, 2, 2), np.float32))
    descriptor = stored._file.fileno()
    assert not list(tmp_path.iterdir())
    del stored
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
