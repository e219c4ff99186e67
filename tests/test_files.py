"""Writes are whole or do not happen; hashes are those of hashlib."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import OutputError
from compress_onnx.files import filled_whole, sha256_of, sha256_of_file, write_bytes, write_text, written_whole


def test_content_arrives_and_folders_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c.bin", b"\0\xff")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"\0\xff"


def test_text_is_utf8_with_its_newlines(tmp_path: Path) -> None:
    write_text(tmp_path / "t.txt", "ä\n→\r\n")
    assert (tmp_path / "t.txt").read_bytes() == "ä\n→\r\n".encode()


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"a long old content")
    write_bytes(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"old")
    with pytest.raises(KeyboardInterrupt):
        _write_half(tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def _write_half(path: Path) -> None:
    with written_whole(path) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt


def test_the_part_lies_beside_the_target_under_its_suffix(tmp_path: Path) -> None:
    with written_whole(tmp_path / "model.onnx") as part:
        assert (part.parent, part.suffix) == (tmp_path, ".onnx")
        assert part.name.startswith(".")
        part.write_bytes(b"x")
        assert not (tmp_path / "model.onnx").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_the_file_has_the_rights_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "f", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_long_names_fit(tmp_path: Path) -> None:
    name = "n" * 240 + ".onnx"
    write_bytes(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file" / "below", tmp_path / "folder", tmp_path / ("n" * 300)):
        with pytest.raises(OutputError, match="a place that can be written, got ") as caught:
            write_bytes(target, b"x")
        assert str(target) in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        write_bytes(tmp_path / "locked" / "f", b"x")


@given(st.lists(st.binary()))
def test_the_hash_is_that_of_the_joined_chunks(chunks: list[bytes]) -> None:
    assert sha256_of(*chunks) == hashlib.sha256(b"".join(chunks)).hexdigest()


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "f").write_bytes(content)
    assert sha256_of_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def _fill(folder: Path, *, error: type[BaseException] | None = None) -> None:
    with filled_whole(folder) as aside:
        (aside / "deep").mkdir()
        (aside / "deep" / "a").write_text("new")
        (aside / "b").write_text("new")
        assert not (folder / "b").exists() or (folder / "b").read_text() == "old"
        if error is not None:
            raise error


def test_a_folder_is_filled_at_once_and_keeps_what_else_it_held(tmp_path: Path) -> None:
    (tmp_path / "run" / "deep").mkdir(parents=True)
    for name in ("b", "c", "deep/d"):
        (tmp_path / "run" / name).write_text("old")
    _fill(tmp_path / "run")
    found = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*")}
    assert found == {"b", "c", "deep", "deep/a", "deep/d"}
    assert [(tmp_path / "run" / name).read_text() for name in ("b", "c", "deep/a")] == ["new", "old", "new"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_folder_that_fails_halfway_is_not_there(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        _fill(tmp_path / "new" / "run", error=error)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "b").write_text("old")
    with pytest.raises(error):
        _fill(tmp_path, error=error)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b").read_text() == "old"


def test_a_folder_below_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a file")
    with pytest.raises(OutputError, match="a place that can be written"):
        _fill(tmp_path / "f" / "run")
