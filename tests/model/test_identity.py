"""The identity of a model: its plain hash where the file is all there is, else every byte that is loaded with it."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from compress_onnx.errors import ModelError
from compress_onnx.files import sha256_of_file
from compress_onnx.model.files import load_model, model_bytes, save_model
from compress_onnx.model.identity import MAX_BYTES, expect_unchanged, is_one_file, model_identity, whole_model
from compress_onnx.model.model import read_model


def test_a_file_that_is_all_there_is_keeps_its_plain_hash(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    save_model(convnet, tmp_path / "m.onnx")
    plain = sha256_of_file(tmp_path / "m.onnx")
    assert model_identity(tmp_path / "m.onnx") == whole_model(tmp_path / "m.onnx").sha256 == plain
    assert whole_model(tmp_path / "m.onnx").serialized() == (tmp_path / "m.onnx").read_bytes()
    assert is_one_file(tmp_path / "m.onnx")


@pytest.mark.parametrize("before", [0, 1 << 20, (1 << 20) - 3])
def test_the_word_location_alone_makes_no_external_tensor(
    before: int, convnet: onnx.ModelProto, tmp_path: Path
) -> None:
    """The word decides whether a file is parsed; wherever it stands, the hash is the same."""
    copy = onnx.ModelProto()
    copy.CopyFrom(convnet)
    copy.doc_string = "x" * before + "location"
    (tmp_path / "m.onnx").write_bytes(model_bytes(copy))
    assert model_identity(tmp_path / "m.onnx") == sha256_of_file(tmp_path / "m.onnx")
    assert is_one_file(tmp_path / "m.onnx")


def test_a_location_across_two_blocks_is_seen(convnet: onnx.ModelProto, scattered: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    scattered(convnet, path, least=5 * 8 * 4)
    for filler in range((1 << 20) - 600, (1 << 20) - 540, 7):
        model = onnx.load(path, load_external_data=False)
        model.producer_name = "x" * filler
        path.write_bytes(model.SerializeToString())
        assert model_identity(path) == whole_model(path).sha256 != sha256_of_file(path)


def test_both_ways_to_an_identity_agree(convnet: onnx.ModelProto, scattered: Any, tmp_path: Path) -> None:
    for least in (1, 100, 1000):
        path = tmp_path / f"{least}.onnx"
        scattered(convnet, path, place=lambda number: f"{number % 2}.data", least=least)
        assert model_identity(path) == whole_model(path).sha256 == read_model(path).sha256
        assert load_model(path).graph.initializer == convnet.graph.initializer


def test_the_hash_of_the_graph_alone_is_never_the_identity(
    convnet: onnx.ModelProto, scattered: Any, tmp_path: Path
) -> None:
    scattered(convnet, tmp_path / "m.onnx")
    assert model_identity(tmp_path / "m.onnx") != sha256_of_file(tmp_path / "m.onnx")


def test_every_byte_of_the_data_counts_and_no_other(convnet: onnx.ModelProto, scattered: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    (file,) = scattered(convnet, path, place=lambda _: "m.onnx.data", gap=64)
    first, content = model_identity(path), file.read_bytes()
    stat = file.stat()
    for place in (64, 64 + 500, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        # As a rewrite within one tick of the clock leaves it.
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert model_identity(path) != first
        with pytest.raises(ModelError, match=r"stays as it is while it is judged, got other bytes .*m\.onnx"):
            expect_unchanged(path, first)
    file.write_bytes(b"!" + content[1:] + b"and a tail")
    assert model_identity(path) == first
    expect_unchanged(path, first)


def test_data_is_looked_for_beside_the_path_that_was_given(
    convnet: onnx.ModelProto, scattered: Any, tmp_path: Path
) -> None:
    """So does ONNX Runtime: a link to a graph brings no data along, a link to a folder does."""
    scattered(convnet, tmp_path / "a" / "m.onnx", place=lambda _: "w.data")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "m.onnx").symlink_to("../a/m.onnx")
    with pytest.raises(ModelError, match=r"no data file 'w\.data' beside it .*/b: keep both together"):
        load_model(tmp_path / "b" / "m.onnx")
    content = (tmp_path / "a" / "w.data").read_bytes()
    (tmp_path / "b" / "w.data").write_bytes(content[::-1])
    (tmp_path / "c").symlink_to("a")
    names = [model_identity(tmp_path / folder / "m.onnx") for folder in "abc"]
    assert names[0] == names[2] != names[1]


def test_memory_does_not_grow_with_the_data(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(convnet)
    huge = model.graph.initializer.add(name="huge", data_type=TensorProto.FLOAT, dims=[16, 1 << 20])
    huge.data_location = TensorProto.EXTERNAL
    huge.external_data.add(key="location", value="huge.data")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with (tmp_path / "huge.data").open("wb") as stream:
        stream.truncate(64 << 20)
    tracemalloc.start()
    try:
        model_identity(tmp_path / "m.onnx")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_three_gibibytes_are_refused_before_they_are_read(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(convnet)
    huge = model.graph.initializer.add(name="huge", data_type=TensorProto.FLOAT, dims=[3, 1 << 28])
    huge.data_location = TensorProto.EXTERNAL
    huge.external_data.add(key="location", value="huge.data")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    for name in ("huge.data", "alone.onnx"):
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(3 << 30)
    tracemalloc.start()
    try:
        for name in ("m.onnx", "alone.onnx"):
            with pytest.raises(ModelError, match=r"a model below 2 GiB, got 3\.0 GiB"):
                load_model(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert MAX_BYTES < 2 << 30


def test_a_data_file_that_shrinks_under_way_is_said(
    convnet: onnx.ModelProto, scattered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compress_onnx.model import identity

    path = tmp_path / "m.onnx"
    (file,) = scattered(convnet, path, place=lambda _: "w.data")
    checked = identity.extents

    def and_then_shrunk(*words: Any) -> Any:
        found = checked(*words)
        os.truncate(file, 10)
        return found

    monkeypatch.setattr(identity, "extents", and_then_shrunk)
    with pytest.raises(ModelError, match="became shorter while it was read"):
        whole_model(path)


def test_what_is_saved_is_one_file(convnet: onnx.ModelProto, scattered: Any, tmp_path: Path) -> None:
    scattered(convnet, tmp_path / "m.onnx")
    save_model(load_model(tmp_path / "m.onnx"), tmp_path / "alone" / "m.onnx")
    assert [file.name for file in (tmp_path / "alone").iterdir()] == ["m.onnx"]
    assert np.all(load_model(tmp_path / "alone" / "m.onnx") == convnet)
