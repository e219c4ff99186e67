"""Mean maps and examples come back from disk as they were, or are refused in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress_onnx.errors import RecordError
from compress_onnx.records.saliency import SaliencyMaps
from compress_onnx.store import load_saliency_maps, save_saliency_maps


@pytest.fixture
def maps() -> SaliencyMaps:
    rng = np.random.default_rng(0)
    return SaliencyMaps(
        mean_baseline=rng.random((4, 5), dtype=np.float32),
        mean_candidate=rng.random((4, 5), dtype=np.float32),
        mean_difference=rng.random((4, 5), dtype=np.float32),
        significant=rng.random((4, 5)) > 0.5,
        example_ids=np.array(["a", "b"]),
        example_pixels=rng.integers(0, 256, (2, 9, 7, 3)).astype(np.uint8),
        example_baseline=rng.random((2, 9, 7), dtype=np.float32),
        example_candidate=rng.random((2, 9, 7), dtype=np.float32),
        example_deviation=rng.random(2, dtype=np.float32),
    )


def test_maps_come_back_as_they_were(maps: SaliencyMaps, tmp_path: Path) -> None:
    save_saliency_maps(maps, tmp_path, "small")
    found = load_saliency_maps(tmp_path, "small")
    for field in dataclasses.fields(maps):
        before, after = getattr(maps, field.name), getattr(found, field.name)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)


def test_no_file_is_none(tmp_path: Path) -> None:
    assert load_saliency_maps(tmp_path, "small") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean_baseline": np.zeros((4, 4), np.float32)},
        {"significant": np.zeros((4, 5), np.float32)},
        {"example_baseline": np.zeros((1, 9, 7), np.float32)},
        {"example_pixels": np.zeros((2, 9, 7), np.uint8)},
        {"example_deviation": np.zeros(3, np.float32)},
        {"example_ids": np.array([1, 2])},
        {"example_ids": np.array("a")},
    ],
)
def test_arrays_that_do_not_fit_are_refused(maps: SaliencyMaps, tmp_path: Path, wrong: dict[str, Any]) -> None:
    save_saliency_maps(dataclasses.replace(maps, **wrong), tmp_path, "small")
    with pytest.raises(RecordError, match=r"Expected saliency maps in \.npz"):
        load_saliency_maps(tmp_path, "small")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not an archive", b"\x93NUMPY"])
def test_what_is_no_archive_is_refused(maps: SaliencyMaps, tmp_path: Path, content: bytes) -> None:
    save_saliency_maps(maps, tmp_path, "small")
    (tmp_path / "saliency" / "small.npz").write_bytes(content)
    with pytest.raises(RecordError, match=r"Expected saliency maps in \.npz"):
        load_saliency_maps(tmp_path, "small")


def test_a_missing_array_is_refused(maps: SaliencyMaps, tmp_path: Path) -> None:
    save_saliency_maps(maps, tmp_path, "small")
    np.savez(tmp_path / "saliency" / "small.npz", mean_baseline=maps.mean_baseline)
    with pytest.raises(RecordError, match="mean_candidate"):
        load_saliency_maps(tmp_path, "small")


def test_maps_of_runs_before_are_read_from_their_folder(maps: SaliencyMaps, tmp_path: Path) -> None:
    save_saliency_maps(maps, tmp_path, "small")
    (tmp_path / "saliency").rename(tmp_path / "attention")
    assert np.array_equal(load_saliency_maps(tmp_path, "small").mean_baseline, maps.mean_baseline)
    newer = dataclasses.replace(maps, mean_baseline=maps.mean_baseline + 1)
    save_saliency_maps(newer, tmp_path, "small")
    assert np.array_equal(load_saliency_maps(tmp_path, "small").mean_baseline, newer.mean_baseline)
