"""Logits are found once per file, images and CPU; a broken file is as good as none; the cache stays small."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from compress_onnx import options
from compress_onnx.records.run import BatchIndependence
from compress_onnx.runtime import prediction_cache
from compress_onnx.runtime.prediction_cache import cached_check, cached_logits, prediction_key

LOGITS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return options.cache_root() / "predictions"


class Finder:
    """Finds logits, and counts how often it had to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> NDArray[np.float32]:
        self.calls += 1
        return LOGITS


def test_the_second_time_reads_the_same_bits() -> None:
    find = Finder()
    first, second = (cached_logits("k", find, n=6) for _ in range(2))
    assert find.calls == 1
    assert second.dtype == np.float32
    assert second.tobytes() == first.tobytes() == LOGITS.tobytes()


def test_without_a_key_nothing_is_kept(folder: Path) -> None:
    find = Finder()
    for _ in range(2):
        cached_logits(None, find, n=6)
    assert find.calls == 2
    assert not folder.exists()


def test_every_flipped_byte_is_noticed_or_harmless(folder: Path) -> None:
    cached_logits("k", Finder(), n=6)
    path = folder / "k.npz"
    whole, found_again = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        find = Finder()
        np.testing.assert_array_equal(cached_logits("k", find, n=6), LOGITS)
        found_again += find.calls
    assert found_again > len(whole) // 2


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_a_broken_file_is_written_anew(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "k.npz").write_bytes(content)
    find = Finder()
    for _ in range(2):
        np.testing.assert_array_equal(cached_logits("k", find, n=6), LOGITS)
    assert find.calls == 1


@pytest.mark.parametrize(
    "array", [LOGITS[:5], LOGITS.astype(np.float64), LOGITS[0], np.full((6, 4), np.nan, np.float32)], ids=str
)
def test_what_cannot_be_the_answer_is_found_again(folder: Path, array: NDArray[np.float32]) -> None:
    folder.mkdir(parents=True)
    np.savez(folder / "k.npz", logits=array)
    find = Finder()
    np.testing.assert_array_equal(cached_logits("k", find, n=6), LOGITS)
    assert find.calls == 1


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True)
    folder.parent.write_text("a file where the folder should be")
    np.testing.assert_array_equal(cached_logits("k", Finder(), n=6), LOGITS)


def test_what_was_used_longest_ago_goes_first(folder: Path) -> None:
    for age, key in enumerate("abc"):
        cached_logits(key, Finder(), n=6)
        os.utime(folder / f"{key}.npz", (1000 + age, 1000 + age))
    cached_logits("a", Finder(), n=6)  # used again: b is now the oldest
    size = (folder / "a.npz").stat().st_size
    cached_logits("d", Finder(), n=6, limit_bytes=3 * size)
    assert sorted(path.stem for path in folder.iterdir()) == ["a", "c", "d"]


def test_whatever_changes_the_numbers_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def key() -> str:
        return prediction_key("file", "data", "form")

    names = {key(), prediction_key("x", "data", "form"), prediction_key("file", "x", "form")}
    names.add(prediction_key("file", "data", "x"))
    with monkeypatch.context() as patch:
        patch.setattr(ort, "__version__", "0.0")
        names.add(key())
    with monkeypatch.context() as patch:
        patch.setattr(prediction_cache, "cpu_label", lambda: "another CPU")
        names.add(key())
    with monkeypatch.context() as patch:
        patch.setattr(prediction_cache, "cpu_features", lambda: ("another feature",))
        names.add(key())
    assert len(names) == 7
    assert key() == key()


def test_a_check_is_found_again_and_a_broken_one_made_anew() -> None:
    check = BatchIndependence(independent=True, checked=16, batch=16, changed=0, compared=16, largest_difference=0.0)
    asked: list[int] = []

    def find() -> BatchIndependence:
        asked.append(1)
        return check

    assert cached_check("known", find) == cached_check("known", find) == check
    assert len(asked) == 1
    (options.cache_root() / "predictions" / "known.json").write_text('{"independent": true', encoding="utf-8")
    assert cached_check("known", find) == check
    assert len(asked) == 2
    assert cached_check(None, find) == check
