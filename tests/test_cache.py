"""One cache for all kinds of values: what is sound is read, what is not is made anew, and folders stay small."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest

from compress_onnx import options
from compress_onnx.cache import Cache, trim
from compress_onnx.errors import OutputError


def _read(stream: BinaryIO) -> int:
    return int(stream.read())


def _write(value: int, stream: BinaryIO) -> None:
    stream.write(b"%d" % value)


NUMBERS = Cache(folder="numbers", suffix=".txt", read=_read, write=_write)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return options.cache_root() / "numbers"


def never() -> int:
    raise AssertionError("it was made again")


def test_a_value_is_made_once_and_lies_where_its_key_says(folder: Path) -> None:
    assert NUMBERS.find("k") is None
    assert NUMBERS.find_or_make("k", lambda: 7) == NUMBERS.find_or_make("k", never) == NUMBERS.find("k") == 7
    assert [path.name for path in folder.iterdir()] == ["k.txt"]
    assert NUMBERS.path("k").read_bytes() == b"7"


def test_without_a_key_nothing_is_kept(folder: Path) -> None:
    assert NUMBERS.find(None) is None
    assert NUMBERS.find_or_make(None, lambda: 3) == 3
    assert not folder.exists()


@pytest.mark.parametrize(
    "kind", [OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, RecursionError, UnicodeError, AttributeError]
)
def test_whatever_a_reader_raises_over_a_broken_file_there_is_none(kind: type[Exception]) -> None:
    def refuse(stream: BinaryIO) -> int:
        raise kind

    NUMBERS.find_or_make("k", lambda: 7)
    assert dataclasses.replace(NUMBERS, read=refuse).find("k") is None
    assert dataclasses.replace(NUMBERS, read=refuse).find_or_make("k", lambda: 8) == 8
    assert NUMBERS.find("k") == 8


def test_what_is_not_sound_is_made_anew() -> None:
    NUMBERS.find_or_make("k", lambda: -1)
    assert NUMBERS.find_or_make("k", lambda: 5, sound=lambda value: value > 0) == 5
    assert NUMBERS.find("k", sound=lambda value: value > 5) is None


@pytest.mark.parametrize("must_write", [False, True])
def test_a_place_that_cannot_be_written_is_an_error_only_where_it_must_be(*, must_write: bool, folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True)
    folder.parent.write_text("a file where the folder should be")
    cache = dataclasses.replace(NUMBERS, must_write=must_write, limit_bytes=10)
    if must_write:
        with pytest.raises(OutputError):
            cache.find_or_make("k", lambda: 1)
    else:
        assert cache.find_or_make("k", lambda: 1) == 1


def test_half_a_value_is_never_left_behind(folder: Path) -> None:
    def break_off(value: int, stream: BinaryIO) -> None:
        _write(value, stream)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataclasses.replace(NUMBERS, write=break_off).find_or_make("k", lambda: 1)
    assert list(folder.iterdir()) == []


def test_what_was_used_longest_ago_goes_first(folder: Path) -> None:
    for age, key in enumerate("abc"):
        NUMBERS.find_or_make(key, lambda: 10)
        os.utime(NUMBERS.path(key), (1000 + age, 1000 + age))
    NUMBERS.find_or_make("a", never)
    dataclasses.replace(NUMBERS, limit_bytes=6).find_or_make("d", lambda: 10)
    assert sorted(path.stem for path in folder.iterdir()) == ["a", "c", "d"]
    trim(folder, limit_bytes=0)
    assert list(folder.iterdir()) == []
    trim(folder / "nowhere", limit_bytes=0)
