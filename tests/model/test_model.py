"""A model is what its bytes are, however it is given, and stays what it was or is refused."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.errors import ModelError, OutputError
from compress_onnx.model.files import model_bytes
from compress_onnx.model.model import Model, ModelSource, made_model, read_model

Scattered = Callable[..., list[Path]]


def logits(content: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(ort.InferenceSession(content).run(None, {"input": images})[0])


@pytest.fixture
def saved(convnet: onnx.ModelProto, tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(model_bytes(convnet))
    return path


def test_a_path_its_bytes_its_graph_and_a_model_are_one_model(saved: Path, convnet: onnx.ModelProto) -> None:
    content = saved.read_bytes()
    sources: list[ModelSource] = [saved, str(saved), content, bytearray(content), memoryview(content), convnet]
    models = [Model.of(source) for source in sources]
    assert {model.sha256 for model in models} == {hashlib.sha256(content).hexdigest()}
    assert {model.serialized() for model in models} == {content}
    assert all(model.proto == convnet for model in models)
    assert [model.path for model in models] == [saved, saved, None, None, None, None]
    assert Model.of(models[0]) is models[0]


def test_its_name_is_its_path_or_what_it_is_called(saved: Path, convnet: onnx.ModelProto) -> None:
    assert str(Model.of(saved)) == str(saved)
    assert str(Model.of(convnet, name="base")) == "base"
    assert str(Model.of(convnet)) == "model"
    with pytest.raises(ModelError, match=r"a valid ONNX file, got .* \(base\)"):
        Model.of(b"no model", name="base")


def test_it_knows_what_its_graph_says(convnet: onnx.ModelProto) -> None:
    model = Model.of(convnet)
    assert (model.signature.input_name, model.signature.classes) == ("input", 5)
    stored = {tensor.name: tuple(tensor.dims) for tensor in convnet.graph.initializer}
    assert {weight.name: weight.shape for weight in model.weights} == {
        name: stored[name] for name in ("w1", "w2", "w3")
    }
    assert str(model.precision) == "fp32"
    assert model.embedded.preprocessing is None


def test_a_graph_without_pictures_is_a_model_until_it_is_asked_for_its_signature() -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "vector",
        [value("x", onnx.TensorProto.FLOAT, [3])],
        [value("y", onnx.TensorProto.FLOAT, [3])],
    )
    model = Model.of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), name="vec")
    with pytest.raises(ModelError, match=r"\(vec\)"):
        _ = model.signature


def test_a_graph_that_is_changed_later_does_not_change_the_model(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    graph = copy.deepcopy(convnet)
    model = Model.of(graph)
    graph.graph.initializer[0].raw_data = bytes(len(graph.graph.initializer[0].raw_data))
    model.expect_unchanged()
    assert model.save(tmp_path / "net.onnx").read_bytes() == model_bytes(convnet)


@pytest.mark.parametrize("made", [False, True])
def test_a_model_in_memory_that_was_written_to_is_refused(
    convnet: onnx.ModelProto, tmp_path: Path, *, made: bool
) -> None:
    model = made_model(copy.deepcopy(convnet), name="mine") if made else Model.of(convnet, name="mine")
    model.expect_unchanged()
    model.proto.graph.node[2].op_type = "Sigmoid"
    says = (
        r"stays as it is while it is judged, got another graph than at the start \(mine\)\. Make the change on a copy"
    )
    with pytest.raises(ModelError, match=says):
        model.expect_unchanged()
    with pytest.raises(ModelError, match=says):
        model.save(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
    model.proto.graph.node[2].op_type = "Relu"
    model.expect_unchanged()


def test_a_file_that_was_written_to_is_refused_until_it_is_what_it_was(saved: Path, tmp_path: Path) -> None:
    model, content = Model.of(saved), saved.read_bytes()
    saved.write_bytes(content + b"\0")
    for use in (model.expect_unchanged, lambda: model.save(tmp_path / "copy.onnx")):
        with pytest.raises(ModelError, match=r"got other bytes than at the start \(.*net\.onnx\)"):
            use()
    saved.write_bytes(content)
    model.expect_unchanged()
    saved.unlink()
    with pytest.raises(ModelError, match="no file"):
        model.expect_unchanged()


def test_what_a_pass_has_made_is_saved_with_its_sidecars(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    texts = {".calibration.json": "{}\n", ".txt": "grün\n"}
    model = made_model(convnet, name="small", sidecars=texts)
    assert model.proto is convnet
    texts.clear()
    path = model.save(str(tmp_path / "a.b.onnx"))
    assert path == tmp_path / "a.b.onnx"
    assert {file.name for file in tmp_path.iterdir()} == {"a.b.onnx", "a.b.calibration.json", "a.b.txt"}
    assert (tmp_path / "a.b.txt").read_text(encoding="utf-8") == "grün\n"
    assert Model.of(path).sha256 == model.sha256


def test_a_place_that_cannot_be_written_is_named(convnet: onnx.ModelProto, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        Model.of(convnet).save(tmp_path / "file" / "net.onnx")


def test_values_in_data_files_are_read_once_and_saved_inside(
    convnet: onnx.ModelProto, scattered: Scattered, images: NDArray[np.float32], tmp_path: Path
) -> None:
    path = tmp_path / "in" / "net.onnx"
    data = scattered(convnet, path, place="part{}.data".format)
    model = read_model(path)
    assert model.contents() == tuple(file.read_bytes() for file in [path, *data])
    assert model.sha256 != Model.of(convnet).sha256
    whole = model.save(tmp_path / "out" / "whole.onnx")
    for file in [path, *data]:
        file.unlink()
    for content in (whole.read_bytes(), model.serialized()):
        np.testing.assert_array_equal(logits(content, images), logits(model_bytes(convnet), images))
    assert [file.name for file in whole.parent.iterdir()] == ["whole.onnx"]


def test_a_data_file_that_was_written_to_is_refused(
    convnet: onnx.ModelProto, scattered: Scattered, tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    (data,) = scattered(convnet, path, place=lambda _: "w.data")
    model = Model.of(path)
    content = bytearray(data.read_bytes())
    content[17] ^= 1
    data.write_bytes(content)
    with pytest.raises(ModelError, match="other bytes than at the start"):
        model.save(tmp_path / "copy.onnx")


def test_a_model_of_one_file_is_its_only_content(saved: Path, convnet: onnx.ModelProto) -> None:
    for model in (Model.of(saved), Model.of(convnet)):
        assert model.contents() == (saved.read_bytes(),)


def test_values_in_other_files_are_refused_where_there_is_no_folder(
    convnet: onnx.ModelProto, scattered: Scattered, tmp_path: Path
) -> None:
    scattered(convnet, tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for source in (graph, graph.SerializeToString()):
        with pytest.raises(ModelError, match="a model with all values inside, got tensors that lie in other files"):
            Model.of(source)
    found = Model.of(tmp_path / "m.onnx").proto.graph.initializer
    for tensor, given in zip(found, convnet.graph.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), numpy_helper.to_array(given))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"", "an empty file"),
        (onnx.ModelProto(), "an empty file"),
        (b"not a model", "a valid ONNX file"),
        ("none.onnx", r"no file \(none\.onnx\)"),
        (3, r"a model as a path, bytes, .* got a int\. Export a PyTorch module first"),
        (None, "got a NoneType"),
    ],
)
def test_what_is_no_model_is_refused(source: ModelSource, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Model.of(source)
