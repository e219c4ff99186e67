"""Every image measures or judges, never both, whatever batches they come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.errors import DataError


def numbered(count: int) -> np.ndarray:
    """Return (count, 1, 2, 2) float32, each image of its own number."""
    return np.repeat(np.arange(count, dtype=np.float32), 4).reshape(count, 1, 2, 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(8, 40), largest=st.integers(1, 50), cut=st.integers(1, 39))
def test_each_image_has_one_task(tmp_path: Path, count: int, largest: int, cut: int) -> None:
    images = numbered(count)
    pool = ImagePool([images[:cut], images[cut:]], tmp_path / "images")
    seen = {}
    for judging in (True, False):
        batches = list(pool.batches(largest, judging=judging))
        assert max(map(len, batches)) <= largest
        assert max(map(len, batches)) - min(map(len, batches)) <= 1
        seen[judging] = np.concatenate(batches)[:, 0, 0, 0].tolist()
        assert len(seen[judging]) == pool.size(judging=judging)
    assert sorted(seen[True] + seen[False]) == list(range(count))
    assert sorted(seen[True]) == list(range(3, count, 4))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([numbered(7)], "at least 8 calibration images, got 7"),
        ([], "at least 8 calibration images, got 0"),
        ([numbered(9).astype(np.float64)], "float32 calibration images of rank 4, got float64"),
        ([numbered(9), numbered(9)[:, :, :1]], r"of shape \(1, 2, 2\), got float32 of shape"),
        ([numbered(9) * np.float32(np.nan)], "finite calibration inputs, got NaN"),
    ],
)
def test_images_that_cannot_serve_are_refused(tmp_path: Path, batches: list[np.ndarray], message: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(DataError, match=message):
        ImagePool(batches, tmp_path / "images")
