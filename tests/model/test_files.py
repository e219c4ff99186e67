"""Reading checks, writing repeats: whatever is not a whole ONNX file is said in one sentence."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from compress_onnx.errors import ModelError, OutputError
from compress_onnx.files import sha256_of_file
from compress_onnx.model.census.census import is_quantized, weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.model.files import load_model, model_bytes, model_sha256, save_model
from compress_onnx.model.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.model.signature import signature_of

MakeModel = Callable[..., onnx.ModelProto]


def test_a_model_survives_the_disk(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    save_model(convnet, tmp_path / "a.onnx")
    assert load_model(tmp_path / "a.onnx") == convnet


def test_equal_models_give_equal_bytes_and_the_hash_of_the_file(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    save_model(convnet, tmp_path / "a.onnx")
    save_model(load_model(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes() == model_bytes(convnet)
    assert model_sha256(convnet) == sha256_of_file(tmp_path / "a.onnx")


@pytest.mark.parametrize("suffix", [".json", ".textproto", ".onnxtxt", ".ort", ""])
def test_the_suffix_does_not_choose_the_format(convnet: onnx.ModelProto, tmp_path: Path, suffix: str) -> None:
    save_model(convnet, tmp_path / f"model{suffix}")
    assert load_model(tmp_path / f"model{suffix}") == convnet


def _cut(model: onnx.ModelProto) -> bytes:
    return model_bytes(model)[:-100]


def _of_unknown_operator(model: onnx.ModelProto) -> bytes:
    return _edited(model, lambda copy: setattr(copy.graph.node[0], "op_type", "Konv"))


def _of_the_future(model: onnx.ModelProto) -> bytes:
    return _edited(model, lambda copy: setattr(copy, "ir_version", 9999))


def _of_short_weights(model: onnx.ModelProto) -> bytes:
    return _edited(model, lambda copy: copy.graph.initializer[0].dims.__setitem__(0, 7))


def _edited(model: onnx.ModelProto, edit: Callable[[onnx.ModelProto], object]) -> bytes:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    edit(copy)
    return model_bytes(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda _: b"", "got an empty file"),
        (lambda _: b"this is no model", "a valid ONNX file"),
        (lambda _: b"\x89PNG\r\n\x1a\n" * 40, "a valid ONNX file"),
        (_cut, "a valid ONNX file"),
        (_of_unknown_operator, "Konv"),
        (_of_the_future, "9999"),
        (_of_short_weights, "initializer 'w1' of type 1 that does not decode"),
        (lambda _: onnx.ModelProto(ir_version=10).SerializeToString(), "a valid ONNX file"),
    ],
)
def test_what_is_not_a_model_is_said_in_one_sentence(
    convnet: onnx.ModelProto, tmp_path: Path, content: Callable[[onnx.ModelProto], bytes], message: str
) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content(convnet))
    with pytest.raises(ModelError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="got no file"):
        load_model(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="got a folder"):
        load_model(tmp_path)


def test_flipped_bytes_never_cause_anything_but_a_model_error(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    whole, draw, path = model_bytes(convnet), random.Random(0), tmp_path / "flipped.onnx"  # noqa: S311  # no secret
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(600)] = draw.randrange(256)
        path.write_bytes(content)
        try:
            _everything_read_from(path)
        except ModelError:
            refused += 1
    assert 0 < refused < 300


def _everything_read_from(path: Path) -> None:
    model = load_model(path)
    signature_of(model)
    weights(model)
    prunable_initializers(model)
    is_quantized(model)
    precision_of(model)
    read_embedded(model)
    write_embedded(model, Embedded())


def _with_data_in(model: onnx.ModelProto, location: str) -> bytes:
    def move_out(copy: onnx.ModelProto) -> None:
        tensor = copy.graph.initializer[0]
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, "offset": "0", "length": str(size)}.items():
            tensor.external_data.add(key=key, value=value)

    return _edited(model, move_out)


def test_external_data_beside_the_file_is_read_into_the_model(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(convnet.graph.initializer[0].raw_data)
    (tmp_path / "a.onnx").write_bytes(_with_data_in(convnet, "weights.bin"))
    save_model(load_model(tmp_path / "a.onnx"), tmp_path / "whole" / "a.onnx")
    read = load_model(tmp_path / "whole" / "a.onnx").graph.initializer[0]
    assert read.raw_data == convnet.graph.initializer[0].raw_data


@pytest.mark.parametrize("location", ["../secret.bin", "{root}/secret.bin", "link.bin", "none.bin", "short.bin", ""])
def test_external_data_outside_the_folder_or_missing_is_refused(
    convnet: onnx.ModelProto, tmp_path: Path, location: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(convnet.graph.initializer[0].raw_data)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "short.bin").write_bytes(b"12")
    (folder / "a.onnx").write_bytes(_with_data_in(convnet, location.format(root=tmp_path)))
    with pytest.raises(ModelError, match="a valid ONNX file"):
        load_model(folder / "a.onnx")


def test_a_model_that_cannot_be_written_leaves_nothing_behind(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="a place that can be written"):
        save_model(convnet, tmp_path / "file" / "a.onnx")
    (tmp_path / "taken.onnx").mkdir()
    with pytest.raises(OutputError):
        save_model(convnet, tmp_path / "taken.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.onnx"]


def test_a_model_above_two_gibibytes_is_refused(
    convnet: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compress_onnx.model.files._MAX_BYTES", 100)
    with pytest.raises(ModelError, match="below 2 GiB"):
        save_model(convnet, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_int4_initializers_are_read(make_model: MakeModel, tmp_path: Path) -> None:
    packed = helper.make_tensor("w", TensorProto.INT4, (192, 5), np.ones((192, 5), np.int8))
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["real"]),
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "real"], ["logits"]),
    ]
    model = make_model(nodes, {"w": packed, "scale": np.full((), 0.5, np.float32)})
    save_model(model, tmp_path / "int4.onnx")
    assert load_model(tmp_path / "int4.onnx") == model


def test_a_file_in_the_runtime_s_own_format_is_named_as_that(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "net.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(convnet.SerializeToString(), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ModelError, match=r"got one in ONNX Runtime's own format \(\.ort\) .*Give the \.onnx file"):
        load_model(tmp_path / "net.ort")
