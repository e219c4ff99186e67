"""``flips.lock``: what it holds, how it reads, and that a lost image is found by its pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import RecordError
from compress_onnx.gate.lock import CONTENT, LockedImage, extended, lock_check, lock_text, read_lock, won_images
from compress_onnx.records.verdict import Outcome

HEAD = '{"format": "compress-onnx flips.lock", "version": 1}\n'
NAMES = ("stop", "go")


def _sha(number: int) -> str:
    return f"{number:064x}"


def _image(number: int, label: int = 0, why: str = "lost by w8a8") -> LockedImage:
    return LockedImage(sha256=_sha(number), class_name=NAMES[label], label=label, sample_id=f"{number}.png", why=why)


def _columns(labels: list[int], before: list[int], after: list[int]) -> dict[str, Any]:
    n = len(labels)
    return {
        "sample_id": np.array([f"{number}.png" for number in range(n)]),
        "label": np.array(labels),
        "baseline_class": np.array(before),
        "candidate_class": np.array(after),
        CONTENT: np.array([_sha(number) for number in range(n)]),
    }


images = st.builds(
    LockedImage,
    sha256=st.integers(0, 50).map(_sha),
    class_name=st.text(max_size=6),
    label=st.integers(0, 9),
    sample_id=st.text(max_size=6),
    why=st.text(max_size=6),
)


@given(found=st.lists(images, max_size=8))
def test_a_lock_reads_as_it_was_written_sorted_and_each_image_once(
    found: list[LockedImage], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lock") / "flips.lock"
    path.write_text(lock_text(found), encoding="utf-8")
    read = read_lock(path)
    assert {image.sha256: image for image in read} == {image.sha256: image for image in found}
    assert [image.sha256 for image in read] == sorted({image.sha256 for image in found})
    assert lock_text(reversed(read)) == lock_text(found)


def test_one_more_image_is_one_more_line() -> None:
    few, more = [_image(1), _image(3)], [_image(1), _image(2), _image(3)]
    assert set(lock_text(more).splitlines()) - set(lock_text(few).splitlines()) == {
        lock_text([_image(2)]).splitlines()[1]
    }


LINE = lock_text([_image(1)]).splitlines()[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a JSON object, got an empty line .*line 1"),
        ("[]\n", r"a JSON object, got \[\]"),
        (HEAD.replace("1", "2"), '"version": 1, got {"format": .*"version": 2'),
        (LINE, '"format": "compress-onnx flips.lock"'),
        (HEAD + "nonsense", "a JSON object, got nonsense .*line 2"),
        (HEAD + LINE.replace('"stop"', "7"), "class = 7 .*line 2"),
        (HEAD + LINE.replace('"why"', '"because"'), "why = None"),
        (HEAD + LINE[:-1] + ', "mood": "good"}', "mood = 'good'"),
        (HEAD + LINE.replace(_sha(1), "abc"), "sha256 = 'abc'"),
        (HEAD + LINE.replace('"label": 0', '"label": true'), "label = True"),
    ],
)
def test_what_is_no_lock_is_refused_by_its_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "flips.lock").write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=says):
        read_lock(tmp_path / "flips.lock")


def test_a_missing_lock_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="--write-lock"):
        read_lock(tmp_path / "flips.lock")


@pytest.mark.parametrize(
    ("locked", "outcome", "says"),
    [
        ([0, 1], Outcome.PASS, "lost 0 of 2"),
        ([0, 2], Outcome.FAIL, "lost 1 of 2: 2.png (stop)"),
        ([0, 9], Outcome.PASS, "lost 0 of 1; 1 is not in this data set"),
        ([2, 8, 9], Outcome.FAIL, "lost 1 of 1: 2.png (stop); 2 are not in this data set"),
        ([8, 9], Outcome.INCONCLUSIVE, "none is in this data set"),
    ],
)
def test_a_locked_image_must_be_right(locked: list[int], outcome: Outcome, says: str) -> None:
    columns = _columns([0, 0, 0], [0, 0, 0], [0, 0, 1])
    check = lock_check([_image(number) for number in locked], columns, NAMES, "w8a8")
    assert (check.outcome, check.reason) == (outcome, says)
    assert check.rule == f"flips.lock: {len(locked)} images"
    assert bool(check.advice) == (outcome is Outcome.INCONCLUSIVE)


def test_an_image_that_stands_twice_must_be_right_twice() -> None:
    columns = _columns([0, 0], [0, 0], [0, 1])
    columns[CONTENT] = np.array([_sha(5)] * 2)
    assert lock_check([_image(5)], columns, NAMES, "w8a8").outcome is Outcome.FAIL


def test_many_lost_images_are_counted() -> None:
    columns = _columns([0] * 9, [0] * 9, [1] * 9)
    reason = lock_check([_image(number) for number in range(9)], columns, NAMES, "w8a8").reason
    assert reason.endswith("4.png (stop) and 4 more")


def test_classes_go_by_name_since_labels_may_be_renumbered() -> None:
    columns = _columns([1], [1], [1])
    assert lock_check([_image(0, label=0)], columns, ("go", "stop"), "w8a8").outcome is Outcome.PASS
    with pytest.raises(RecordError, match=r"the class 'stop' of locked image"):
        lock_check([_image(0)], columns, ("a", "b"), "w8a8")


def test_data_without_class_names_goes_by_label() -> None:
    columns = _columns([-1, -1], [1, 1], [1, 0])
    assert lock_check([_image(0, label=1)], columns, (), "w8a8").outcome is Outcome.PASS
    assert lock_check([_image(1, label=1)], columns, (), "w8a8").outcome is Outcome.FAIL


def test_won_are_images_that_the_baseline_and_every_candidate_get_right() -> None:
    one = _columns([0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1])
    other = _columns([0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1])
    assert set(won_images([one, other], NAMES)) == {_sha(0), _sha(3)}
    assert won_images([], NAMES) == {}


def test_a_lock_grows_by_what_there_is_a_reason_for_and_keeps_what_it_has() -> None:
    won = {image.sha256: image for image in (_image(0), _image(1), _image(2))}
    found = extended([_image(1, why="long ago"), _image(7)], won, {_sha(0): "new", _sha(1): "again", _sha(9): "gone"})
    assert {image.sha256: image.why for image in found} == {
        _sha(0): "new",
        _sha(1): "long ago",
        _sha(7): "lost by w8a8",
    }
    assert json.loads(lock_text(found).splitlines()[1])["why"] == "new"
