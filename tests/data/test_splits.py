from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from compress_onnx.data.images import ImageSet
from compress_onnx.data.splits import (
    calibration_images,
    check_disjoint,
    choose_calibration,
    class_balanced,
    load_manifest,
    save_manifest,
)
from compress_onnx.errors import DataError, OutputError, RecordError

LABELS = hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 5))
same_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def numbered(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pictures (N, 1, 1, 3) whose content is the row number."""
    return np.stack([rows // 256, rows % 256, rows * 0], axis=-1).astype(np.uint8).reshape(-1, 1, 1, 3)


def hashes_of(images: ImageSet) -> frozenset[str]:
    return frozenset(map(images.content_sha256, range(len(images))))


@given(LABELS, st.integers(0, 70), st.integers(0, 9))
def test_balance_is_as_even_as_the_classes_allow(labels: NDArray[np.int64], n: int, seed: int) -> None:
    chosen = class_balanced(labels, n, rng=np.random.default_rng(seed))
    assert len(chosen) == min(n, len(labels)) == len(set(chosen.tolist()))
    taken, there = np.bincount(labels[chosen], minlength=6), np.bincount(labels, minlength=6)
    # A class that still has rows left is at most one behind the class chosen most.
    left = taken < there
    assert np.all(taken[left] >= taken.max() - 1)


def test_the_choice_depends_on_the_seed_only() -> None:
    labels = np.arange(200) % 4
    first, again, other = (class_balanced(labels, 20, rng=np.random.default_rng(s)).tolist() for s in (0, 0, 1))
    assert first == again != other


def test_every_row_can_be_chosen() -> None:
    labels = np.repeat([0, 1, 2], 4)
    seen = {int(r) for s in range(60) for r in class_balanced(labels, 2, rng=np.random.default_rng(s))}
    assert seen == set(range(12))


@same_fixtures
@given(LABELS, st.sets(st.integers(0, 59)), st.integers(1, 20), st.integers(0, 5))
def test_calibration_never_holds_an_evaluated_picture(
    make_set: Callable[..., ImageSet], labels: NDArray[np.int64], evaluated: set[int], n: int, seed: int
) -> None:
    images = make_set(numbered(np.arange(len(labels))), labels)
    evaluation = make_set(numbered(np.array(sorted(evaluated), dtype=np.int64)), None, name="other", split="test")
    free = len(labels) - len(evaluated & set(range(len(labels))))
    exclude = hashes_of(evaluation)
    if n > free:
        with pytest.raises(DataError, match=f"Expected {n} images to calibrate on, got {free} that are distinct"):
            choose_calibration(images, n, seed=seed, exclude_sha256=exclude)
        return
    manifest = choose_calibration(images, n, seed=seed, exclude_sha256=exclude)
    check_disjoint(manifest, exclude, where="other:test")
    assert len(set(manifest.sample_ids)) == n == sum(manifest.class_counts.values())


def test_a_picture_that_occurs_twice_is_chosen_once(make_set: Callable[..., ImageSet]) -> None:
    images = make_set(numbered(np.array([1, 1, 1, 2])), np.zeros(4, dtype=np.int64))
    assert len(set(choose_calibration(images, 2, seed=0).sample_sha256)) == 2
    with pytest.raises(DataError, match="got 2 that are distinct"):
        choose_calibration(images, 3, seed=0)


def test_unlabeled_sets_are_drawn_from_too(make_set: Callable[..., ImageSet]) -> None:
    manifest = choose_calibration(make_set(numbered(np.arange(9)), None), 4, seed=3)
    assert manifest.class_counts == {}
    assert len(manifest.sample_ids) == 4


def test_a_calibration_of_nothing_is_refused(make_set: Callable[..., ImageSet]) -> None:
    with pytest.raises(DataError, match="a calibration of at least one image"):
        choose_calibration(make_set(numbered(np.arange(9)), None), 0, seed=0)


def test_overlap_is_found_by_content_whatever_the_name(make_set: Callable[..., ImageSet]) -> None:
    images = make_set(numbered(np.arange(8)), np.arange(8) % 2)
    manifest = choose_calibration(images, 8, seed=0)
    evaluation = make_set(numbered(np.array([90, 3, 91, 5])), None, name="renamed", split="test")
    with pytest.raises(
        DataError, match=r"not evaluated, got 2 in both, such as made/[35] \(manifest made-train-8-seed0"
    ):
        check_disjoint(manifest, hashes_of(evaluation), where="renamed:test")


def test_a_manifest_survives_the_disk_and_finds_its_pictures(make_set: Callable[..., ImageSet], tmp_path: Path) -> None:
    images = make_set(numbered(np.arange(30)), np.arange(30) % 3)
    manifest = choose_calibration(images, 6, seed=1)
    save_manifest(tmp_path / "m.json", manifest)
    assert load_manifest(tmp_path / "m.json") == manifest
    assert manifest.class_counts == {"class 0": 2, "class 1": 2, "class 2": 2}
    found = calibration_images(manifest, images)
    assert tuple(found.content_sha256(i) for i in range(6)) == manifest.sample_sha256
    assert found.sample_ids.tolist() == list(manifest.sample_ids)


def test_other_data_under_the_same_ids_is_noticed(make_set: Callable[..., ImageSet]) -> None:
    manifest = choose_calibration(make_set(numbered(np.arange(9)), None), 4, seed=0)
    with pytest.raises(DataError, match=r"the picture made/\d of the manifest, got other pixels under that id"):
        calibration_images(manifest, make_set(numbered(np.arange(100, 109)), None))
    with pytest.raises(DataError, match="got no such id"):
        calibration_images(manifest, make_set(numbered(np.arange(9)), None, name="else"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"surprise": 1}, "in surprise"),
        ({"seed": "x"}, "in seed"),
        ({"sample_ids": ["made/1"]}, "one hash for every id, got 1 ids and 2 hashes"),
    ],
)
def test_a_manifest_of_another_form_is_refused(
    make_set: Callable[..., ImageSet], tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    path = tmp_path / "m.json"
    save_manifest(path, choose_calibration(make_set(numbered(np.arange(9)), None), 2, seed=0))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=sentence):
        load_manifest(path)


def test_a_manifest_that_cannot_be_read_or_written(make_set: Callable[..., ImageSet], tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="a calibration manifest, got No such file"):
        load_manifest(tmp_path / "m.json")
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(RecordError, match="in the whole"):
        load_manifest(tmp_path / "m.json")
    with pytest.raises(OutputError, match="place that can be written"):
        save_manifest(
            tmp_path / "m.json" / "n.json", choose_calibration(make_set(numbered(np.arange(9)), None), 2, seed=0)
        )
