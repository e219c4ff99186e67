from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx import options
from compress_onnx.data.content import content_key, kept_hashes

Hashes = NDArray[np.str_]
FOUND = np.array(["a" * 64, "b" * 64])


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def counted(found: Hashes = FOUND) -> tuple[Callable[[], Hashes], list[int]]:
    calls: list[int] = []

    def find() -> Hashes:
        calls.append(1)
        return found

    return find, calls


def test_what_was_found_is_not_looked_for_again() -> None:
    find, calls = counted()
    first, second = (kept_hashes("key", find, n=2) for _ in range(2))
    assert first.tolist() == second.tolist() == FOUND.tolist()
    assert len(calls) == 1


def test_without_a_key_nothing_is_kept() -> None:
    find, calls = counted()
    assert [kept_hashes(None, find, n=2).tolist() for _ in range(2)] == [FOUND.tolist()] * 2
    assert len(calls) == 2
    assert not (options.cache_root() / "content").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"a" * 64, b"a" * 64 + b"\n", b"A" * 64 + b"\n" + b"b" * 64 + b"\n"]
)
def test_a_broken_file_is_made_anew(content: bytes) -> None:
    path = options.cache_root() / "content" / "key.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    find, calls = counted()
    assert kept_hashes("key", find, n=2).tolist() == FOUND.tolist()
    assert kept_hashes("key", find, n=2).tolist() == FOUND.tolist()
    assert len(calls) == 1


def test_another_set_has_another_name() -> None:
    assert content_key("a") != content_key("b")


def test_the_cache_stays_within_its_limit() -> None:
    for key in "abc":
        kept_hashes(key, counted()[0], n=2, limit_bytes=260)
    assert len(list((options.cache_root() / "content").iterdir())) == 2
