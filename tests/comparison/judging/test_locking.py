"""What is locked is what an earlier candidate lost and everyone wins now: against counting by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress_onnx.comparison.judging.locking import extend_lock
from compress_onnx.comparison.run import RunResults, save_new
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import OptionError, RecordError, UnknownNameError
from compress_onnx.gate.lock import CONTENT, read_lock

RunOf = Callable[..., RunResults]


@pytest.fixture
def images(make_images: Any) -> ImageSet:
    found: ImageSet = make_images()
    return found


@pytest.fixture
def before(run_of: RunOf, images: ImageSet) -> RunResults:
    return run_of("old", {"int8": 0.6, "int4": 0.9}, images=images)


@pytest.fixture
def now(run_of: RunOf, images: ImageSet) -> RunResults:
    return run_of("new", {"int8": 0.3, "int4": 0.1}, images=images)


def right(run: RunResults, labels: Any) -> dict[str, Any]:
    return {name: one.logits.argmax(axis=1) == labels for name, one in run.predictions.items()}


def lost(before: RunResults, now: RunResults, images: ImageSet) -> list[int]:
    """Return the rows to be locked, counted from the logits."""
    old, new = right(before, images.labels), right(now, images.labels)
    fallen = old["base"] & ~(old["int8"] & old["int4"])
    return np.flatnonzero(fallen & new["base"] & new["int8"] & new["int4"]).tolist()


def test_locked_is_what_was_lost_and_is_won(
    before: RunResults, now: RunResults, images: ImageSet, tmp_path: Path
) -> None:
    rows = lost(before, now, images)
    assert 0 < len(rows) < 60
    found = extend_lock(tmp_path / "f.lock", now, against=save_new(before, tmp_path / "old").folder, samples=[])
    assert found == (len(rows), len(rows))
    locked = {image.sha256: image for image in read_lock(tmp_path / "f.lock")}
    assert set(locked) == {images.content_sha256(row) for row in rows}
    assert images.labels is not None
    for row in rows:
        image = locked[images.content_sha256(row)]
        assert (image.label, image.sample_id) == (images.labels[row], str(images.sample_ids[row]))
        assert image.class_name == images.info.class_names[image.label]
        assert image.why in {"lost by int8 in old", "lost by int4 in old"}


def test_a_lock_is_kept_and_extended(before: RunResults, now: RunResults, images: ImageSet, tmp_path: Path) -> None:
    path, folder = tmp_path / "f.lock", save_new(before, tmp_path / "old").folder
    won = np.flatnonzero(np.all([*right(now, images.labels).values()], axis=0))
    named = next(row for row in won if row not in lost(before, now, images))
    sample = str(images.sample_ids[named])
    assert extend_lock(path, now, against=None, samples=[sample]) == (1, 1)
    (first,) = read_lock(path)
    assert (first.sha256, first.why) == (images.content_sha256(int(named)), "named by hand in new")
    n = len(lost(before, now, images))
    assert extend_lock(path, now, against=folder, samples=[]) == (n + 1, n)
    text = path.read_text(encoding="utf-8")
    assert extend_lock(path, now, against=folder, samples=[sample]) == (n + 1, 0)
    assert path.read_text(encoding="utf-8") == text


def test_a_name_by_hand_is_the_reason_where_there_are_two(
    before: RunResults, now: RunResults, images: ImageSet, tmp_path: Path
) -> None:
    row = lost(before, now, images)[0]
    folder = save_new(before, tmp_path / "old").folder
    extend_lock(tmp_path / "f.lock", now, against=folder, samples=[str(images.sample_ids[row])])
    why = {image.sha256: image.why for image in read_lock(tmp_path / "f.lock")}
    assert why[images.content_sha256(row)] == "named by hand in new"


def without_content(run: RunResults) -> RunResults:
    parts = [{name: column for name, column in part.items() if name != CONTENT} for part in run.columns]
    return dataclasses.replace(run, columns=parts)


def test_an_earlier_run_without_hashes_goes_by_sample_on_the_same_data(
    before: RunResults, now: RunResults, images: ImageSet, tmp_path: Path
) -> None:
    folder = save_new(without_content(before), tmp_path / "old").folder
    extend_lock(tmp_path / "f.lock", now, against=folder, samples=[])
    found = {image.sha256 for image in read_lock(tmp_path / "f.lock")}
    assert found == {images.content_sha256(row) for row in lost(before, now, images)}


def test_an_earlier_run_without_hashes_on_other_data_is_refused(
    run_of: RunOf, now: RunResults, make_images: Any, tmp_path: Path
) -> None:
    other = run_of("old", {"int8": 0.6}, images=make_images(seed=3))
    folder = save_new(without_content(other), tmp_path / "old").folder
    with pytest.raises(RecordError, match=r"a column content_sha256, or the same data set, got neither \(.*old\)"):
        extend_lock(tmp_path / "f.lock", now, against=folder, samples=[])
    assert folder is not None
    (folder / "samples.parquet").unlink()
    with pytest.raises(RecordError, match="got neither"):
        extend_lock(tmp_path / "f.lock", now, against=folder, samples=[])
    assert not (tmp_path / "f.lock").exists()


def test_nothing_to_lock_is_an_error(now: RunResults, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--against OLD_RUN or --lock-sample ID beside --write-lock, got neither"):
        extend_lock(tmp_path / "f.lock", now, against=None, samples=[])


def test_a_run_without_hashes_cannot_lock(now: RunResults, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="a column content_sha256, to look images up"):
        extend_lock(tmp_path / "f.lock", without_content(now), against=None, samples=["0"])


def test_a_sample_must_be_there_and_be_won(now: RunResults, images: ImageSet, tmp_path: Path) -> None:
    wrong = np.flatnonzero(~np.all([*right(now, images.labels).values()], axis=0))
    sample = str(images.sample_ids[wrong[0]])
    with pytest.raises(OptionError, match=rf"every candidate get right, got {sample}, which one of them gets wrong"):
        extend_lock(tmp_path / "f.lock", now, against=None, samples=[sample])
    with pytest.raises(UnknownNameError, match="a sample of this run, got 'nobody'"):
        extend_lock(tmp_path / "f.lock", now, against=None, samples=["nobody"])
    assert not (tmp_path / "f.lock").exists()
