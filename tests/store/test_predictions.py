"""Predictions come back from disk as they were, or are refused in one sentence."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress_onnx import store
from compress_onnx.errors import RecordError
from compress_onnx.records.artifacts import Predictions


def predictions(*, labeled: bool = True) -> Predictions:
    return Predictions(
        sample_ids=np.array(["a", "ü", "c"]),
        labels=np.array([0, 1, 1]) if labeled else None,
        logits=np.arange(6, dtype=np.float32).reshape(3, 2) / 7,
        artifact_sha256="ab" * 32,
        dataset_sha256="cd" * 32,
        cpu="a CPU",
    )


@pytest.mark.parametrize("labeled", [True, False])
def test_predictions_survive_the_disk(tmp_path: Path, *, labeled: bool) -> None:
    before = predictions(labeled=labeled)
    store.save_predictions(before, tmp_path / "predictions" / "x.npz")
    after = store.load_predictions(tmp_path / "predictions" / "x.npz")
    assert after.sample_ids.tolist() == before.sample_ids.tolist()
    assert (after.labels is None) == (not labeled)
    assert after.labels is None or after.labels.tolist() == [0, 1, 1]
    assert after.logits.dtype == np.float32
    np.testing.assert_array_equal(after.logits, before.logits)
    assert (after.artifact_sha256, after.dataset_sha256, after.cpu) == ("ab" * 32, "cd" * 32, "a CPU")


def npz(**changes: Any) -> bytes:
    arrays: dict[str, Any] = {
        "sample_ids": np.array(["a", "b"]),
        "labels": np.array([0, 1]),
        "logits": np.zeros((2, 3), np.float32),
        "artifact_sha256": "a",
        "dataset_sha256": "b",
        "cpu": "c",
    }
    stream = io.BytesIO()
    np.savez(stream, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return stream.getvalue()


def _npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def _zip_of_text() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("sample_ids", "labels", "logits", "artifact_sha256", "dataset_sha256", "cpu"):
            archive.writestr(name, "text")
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        _npy(),
        _zip_of_text(),
        npz()[:-50],
        npz(logits=None),
        npz(sample_ids=np.array(["a", None], dtype=object)),
        npz(labels=np.array([0, 1, 2])),
        npz(labels=np.array([0.0, 1.0])),
        npz(logits=np.zeros((3, 3), np.float32)),
        npz(logits=np.zeros(2, np.float32)),
        npz(logits=np.zeros((2, 3))),
        npz(sample_ids=np.array([1, 2])),
    ],
)
def test_what_are_no_predictions_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(RecordError, match=r"predictions in \.npz, got .+x\.npz\)\. Make the run again"):
        store.load_predictions(tmp_path / "x.npz")


def test_missing_predictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        store.load_predictions(tmp_path / "x.npz")


def test_flipped_bytes_in_predictions_cause_nothing_but_a_record_error(tmp_path: Path) -> None:
    path, draw, refused = tmp_path / "x.npz", random.Random(0), 0  # noqa: S311  # no secret
    store.save_predictions(predictions(), path)
    whole = path.read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        content[draw.randrange(len(whole))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            np.testing.assert_array_equal(store.load_predictions(path).logits, predictions().logits)
        except RecordError:
            refused += 1
    assert refused > 100
