"""Batches of the size that a file takes, and rows that fill them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
from compress_onnx.saliency.batching import BATCH, as_batch, slices  # noqa: E402


def test_batches_cover_all_rows_once() -> None:
    rows = [row for part in slices(2 * BATCH + 3, torch.nn.Identity()) for row in range(part.start, part.stop)]
    assert rows == list(range(2 * BATCH + 3))
    assert list(slices(0, torch.nn.Identity())) == []


def test_a_batch_is_filled_up_to_the_size_a_file_was_fixed_to() -> None:
    module = torch.nn.Identity()
    module.meta = {"fixed_batch": 4}
    assert as_batch(np.array([1, 2]), module).tolist() == [1, 2, 1, 2]
    assert list(slices(6, module)) == [slice(0, 4), slice(4, 6)]
