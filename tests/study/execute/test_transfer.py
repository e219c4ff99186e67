"""Files by content: what a worker stores, what it lacks, and what travels whole."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import onnx
import pytest

from compress_onnx.errors import DataError
from compress_onnx.files import sha256_of
from compress_onnx.study.execute import transfer
from compress_onnx.study.execute.transfer import bundle, store_contents


def test_a_content_of_another_hash_is_refused(own_cache: Path) -> None:
    with pytest.raises(DataError, match="the content aaaa"):
        store_contents({"a" * 64: b"something"})
    assert not list(own_cache.rglob("a" * 64))


def test_shared_files_lack_nothing_and_are_not_copied(echo: Any, tmp_path: Path) -> None:
    shared = bundle({"x/a": tmp_path / "a"}, shared=True)
    assert shared.lacking() == ()
    assert (shared.laid_out(tmp_path / "out") / "x/a").is_symlink()
    assert echo.files.lacking() != ()


def test_contents_used_longest_ago_go_first(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "LIMIT_BYTES", 25)
    contents = [name * 10 for name in (b"a", b"b", b"c")]
    for age, content in zip((30, 20, 10), contents, strict=True):
        store_contents({sha256_of(content): content})
        kept = own_cache / "parcels" / sha256_of(content)
        os.utime(kept, (time.time() - age, time.time() - age))
    store_contents({sha256_of(b"d"): b"d"})
    names = {path.name for path in (own_cache / "parcels").iterdir()}
    assert names == {sha256_of(content) for content in (contents[1], contents[2], b"d")}


@pytest.mark.parametrize("shared", [False, True])
def test_a_model_with_data_files_travels_whole(
    *, shared: bool, convnet: Any, scattered: Any, tmp_path: Path, own_cache: Path
) -> None:
    scattered(convnet, tmp_path / "a" / "m.onnx", place=lambda number: f"sub/{number}")
    files = {"first.onnx": tmp_path / "a" / "m.onnx", "card.json": tmp_path / "card.json"}
    files["card.json"].write_text('{"location": "no model"}')
    sent = bundle(files, shared=shared)
    if not shared:
        store_contents(sent.contents(None))
    there = sent.laid_out(tmp_path / "there")
    moved = (there / "first.onnx").read_bytes()
    shutil.rmtree(tmp_path / "a")
    assert onnx.load_model_from_string(moved).graph.initializer == convnet.graph.initializer
    assert json.loads((there / "card.json").read_text()) == {"location": "no model"}
    assert own_cache.is_dir() != shared
