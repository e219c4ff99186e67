"""Arrays in files without a name are arrays like any other, and leave nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from compress_onnx.data.mapping import mapped, mapped_empty


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files lie."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files_mapped(folder: Path) -> int:
    """Return how many files of a folder this process has mapped into its memory."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return sum(str(folder) in line for line in lines)


@pytest.mark.parametrize("kind", ["uint8", "float32", "int64"])
def test_a_mapped_array_holds_the_same_values_of_the_same_type(folder: Path, kind: str) -> None:
    values = np.random.default_rng(0).integers(0, 200, (3, 4, 5)).astype(kind).transpose(2, 0, 1)
    copy = mapped(values)
    assert (copy.dtype, copy.shape) == (values.dtype, values.shape)
    np.testing.assert_array_equal(copy, values)


def test_a_mapped_array_is_a_copy_that_can_be_written(folder: Path) -> None:
    values = np.arange(6)
    copy = mapped(values)
    values[0] = 7
    copy[1] = 8
    assert (values.tolist(), copy.tolist()) == ([7, 1, 2, 3, 4, 5], [0, 8, 2, 3, 4, 5])


def test_its_file_has_no_name_and_is_gone_with_the_last_view(folder: Path) -> None:
    array = mapped_empty((1000, 10), np.float32)
    array[...] = 2
    view = array[5:7]
    assert list(folder.iterdir()) == []
    assert files_mapped(folder) == 1
    del array
    assert files_mapped(folder) == 1
    assert view.sum() == 40
    del view
    assert files_mapped(folder) == 0


def test_an_empty_array_needs_no_file(folder: Path) -> None:
    array = mapped_empty((0, 3), np.uint8)
    assert (array.shape, array.dtype, files_mapped(folder)) == ((0, 3), np.uint8, 0)
    assert mapped(np.zeros((2, 0), np.float32)).shape == (2, 0)
