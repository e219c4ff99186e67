"""External tensors are found wherever they are used, and what ONNX Runtime would not read the same way is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.model.external import extents
from compress_onnx.model.files import load_model
from compress_onnx.model.identity import model_identity, whole_model

WEIGHT = np.random.default_rng(3).normal(size=(12, 5)).astype(np.float32)
INPUT = np.eye(12, dtype=np.float32)


def _initializer(weight: TensorProto) -> dict[str, Any]:
    return {"nodes": [helper.make_node("MatMul", ["x", "w"], ["y"])], "initializer": [weight]}


def _constant(weight: TensorProto) -> dict[str, Any]:
    constant = helper.make_node("Constant", [], ["w"], value=weight)
    return {"nodes": [constant, helper.make_node("MatMul", ["x", "w"], ["y"])]}


def _branches(weight: TensorProto) -> dict[str, Any]:
    sides = {}
    for side in ("then_branch", "else_branch"):
        own = TensorProto()
        own.CopyFrom(weight)
        own.name = f"{side}_w"
        product = helper.make_node("MatMul", ["x", own.name], [side])
        sides[side] = helper.make_graph(
            [product], side, [], [helper.make_tensor_value_info(side, TensorProto.FLOAT, None)], [own]
        )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], **sides),
    ]
    return {"nodes": nodes}


def _function(weight: TensorProto) -> dict[str, Any]:
    body = [helper.make_node("Constant", [], ["w"], value=weight), helper.make_node("MatMul", ["a", "w"], ["b"])]
    function = helper.make_function("own", "Dense", ["a"], ["b"], body, [helper.make_opsetid("", 21)])
    return {"nodes": [helper.make_node("Dense", ["x"], ["y"], domain="own")], "functions": [function]}


def _sparse(weight: TensorProto) -> dict[str, Any]:
    values = numpy_helper.from_array(numpy_helper.to_array(weight).ravel(), "v")
    places = numpy_helper.from_array(np.arange(WEIGHT.size), "places")
    thin = helper.make_sparse_tensor(values, places, WEIGHT.shape)
    constant = helper.make_node("Constant", [], ["w"], sparse_value=thin)
    return {"nodes": [constant, helper.make_node("MatMul", ["x", "w"], ["y"])]}


FORMS = [_initializer, _constant, _branches, _function, _sparse]


def _model(form: Callable[[TensorProto], dict[str, Any]], weight: NDArray[np.float32] = WEIGHT) -> onnx.ModelProto:
    parts = form(numpy_helper.from_array(weight, "w"))
    graph = helper.make_graph(
        parts["nodes"],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
        parts.get("initializer"),
    )
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=parts.get("functions"), ir_version=10)


def _answer(model: Path | bytes) -> NDArray[np.float32]:
    """What ONNX Runtime itself makes of a file."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    source = str(model) if isinstance(model, Path) else model
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": INPUT})[0])


@pytest.mark.parametrize("form", FORMS)
def test_values_outside_are_read_as_the_runtime_reads_them(form: Any, scattered: Any, tmp_path: Path) -> None:
    scattered(_model(form), tmp_path / "a" / "m.onnx")
    whole = whole_model(tmp_path / "a" / "m.onnx")
    assert len(whole.files) > 1
    np.testing.assert_array_equal(_answer(whole.serialized()), _answer(tmp_path / "a" / "m.onnx"))
    assert not extents(load_model(tmp_path / "a" / "m.onnx"), tmp_path / "elsewhere.onnx")


@pytest.mark.parametrize("form", FORMS)
def test_equal_graphs_with_other_values_are_other_models(form: Any, scattered: Any, tmp_path: Path) -> None:
    for name, weight in (("a", WEIGHT), ("b", WEIGHT * np.float32(1.5)), ("again", WEIGHT)):
        scattered(_model(form, weight), tmp_path / name / "m.onnx")
    assert (tmp_path / "a" / "m.onnx").read_bytes() == (tmp_path / "b" / "m.onnx").read_bytes()
    names = {name: model_identity(tmp_path / name / "m.onnx") for name in ("a", "b", "again")}
    assert names["a"] == names["again"] != names["b"]


def _entry(key: str, value: str) -> Callable[[Path, TensorProto], None]:
    def edit(_: Path, tensor: TensorProto) -> None:
        for entry in tensor.external_data:
            if entry.key == key:
                entry.value = value

    return edit


def _doubled(_: Path, tensor: TensorProto) -> None:
    tensor.external_data.add(key="location", value="other.data")


def _with_prepacked(_: Path, tensor: TensorProto) -> None:
    tensor.external_data.add(key="prepacked_0", value="k|0;8")


def _without_location(_: Path, tensor: TensorProto) -> None:
    # The word is left in the file: without it no external tensor is looked for.
    del tensor.external_data[:]
    tensor.doc_string = "location"


def _of_text(_: Path, tensor: TensorProto) -> None:
    tensor.data_type = TensorProto.STRING


def _negative(_: Path, tensor: TensorProto) -> None:
    tensor.dims[0] = -12


def _missing(file: Path, _: TensorProto) -> None:
    file.unlink()


def _short(file: Path, _: TensorProto) -> None:
    os.truncate(file, 239)


def _linked(file: Path, _: TensorProto) -> None:
    file.rename(file.with_suffix(".real"))
    file.symlink_to(file.with_suffix(".real").name)


def _linked_folder(file: Path, tensor: TensorProto) -> None:
    (file.parent / "real").mkdir()
    file.rename(file.parent / "real" / file.name)
    (file.parent / "sub").symlink_to("real")
    _entry("location", f"sub/{file.name}")(file, tensor)


def _folder(file: Path, _: TensorProto) -> None:
    file.unlink()
    file.mkdir()


def _pipe(file: Path, _: TensorProto) -> None:
    file.unlink()
    os.mkfifo(file)


BROKEN = {
    "missing": (_missing, "no data file 'w.data' beside it"),
    "short": (_short, "'w.data' of 239 bytes, too short for 'w' up to byte 240"),
    "link": (_linked, "a link in the place of the data file 'w.data'"),
    "linked folder": (_linked_folder, "a link in the place of the data file 'sub/w.data'"),
    "folder": (_folder, "no regular file"),
    "pipe": (_pipe, "no regular file"),
    "above": (_entry("location", "../w.data"), "outside the model's folder, '../w.data'"),
    "above and back": (_entry("location", "sub/../../m/w.data"), "outside the model's folder"),
    "absolute": (_entry("location", "/etc/hostname"), "outside the model's folder, '/etc/hostname'"),
    "no name": (_entry("location", ""), "without a file name"),
    "dot": (_entry("location", "."), "without a file name"),
    "null": (_entry("location", "w\0.data"), "without a file name"),
    "long name": (_entry("location", "w" * 300), "File name too long"),
    "below a file": (_entry("location", "w.data/w.data"), "Not a directory"),
    "no location": (_without_location, "without a file name"),
    "two locations": (_doubled, "an entry twice"),
    "prepacked": (_with_prepacked, "the entry 'prepacked_0'"),
    "negative offset": (_entry("offset", "-4"), "the offset '-4'"),
    "offset in words": (_entry("offset", "four"), "the offset 'four'"),
    "offset with a space": (_entry("offset", " 0"), "the offset ' 0'"),
    "huge offset": (_entry("offset", str(2**62)), "the offset '4611686018427387904'"),
    "offset beyond": (_entry("offset", "1000"), "too short"),
    "negative length": (_entry("length", "-1"), "the length '-1'"),
    "smaller length": (_entry("length", "236"), "236 bytes of data for 'w', whose 240 bytes are 12x5"),
    "larger length": (_entry("length", "244"), "244 bytes of data for 'w'"),
    "text": (_of_text, "'w' of type 8"),
    "negative shape": (_negative, r"shape \[-12, 5\]"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_makes_no_sense_is_said_in_one_sentence(case: str, scattered: Any, tmp_path: Path) -> None:
    edit, message = BROKEN[case]
    path = tmp_path / "m" / "m.onnx"
    (file,) = scattered(_model(_initializer), path, place=lambda _: "w.data")
    model = onnx.load(path, load_external_data=False)
    edit(file, model.graph.initializer[0])
    path.write_bytes(model.SerializeToString())
    for read in (load_model, whole_model, model_identity):
        with pytest.raises(ModelError, match=f"^Expected a valid ONNX file, got .*{message}") as caught:
            read(path)
        assert re.search(rf"\({re.escape(str(path))}\)\. [A-Z].*\.$", str(caught.value))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("location", ["w.data", "./w.data", "sub/deep/w.data", "wéird näme"])
@pytest.mark.parametrize("gap", [0, 3, 4096])
def test_places_that_the_runtime_takes_are_taken(location: str, gap: int, scattered: Any, tmp_path: Path) -> None:
    scattered(_model(_initializer), tmp_path / "m.onnx", place=lambda _: location, gap=gap)
    np.testing.assert_array_equal(_answer(tmp_path / "m.onnx"), WEIGHT)
    np.testing.assert_array_equal(numpy_helper.to_array(load_model(tmp_path / "m.onnx").graph.initializer[0]), WEIGHT)


@pytest.mark.parametrize("stated", ["0", None])
def test_a_length_may_be_left_out(stated: str | None, scattered: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    (file,) = scattered(_model(_initializer), path)
    file.write_bytes(file.read_bytes() + b"more than is asked for")
    model = onnx.load(path, load_external_data=False)
    entries = model.graph.initializer[0].external_data
    last = next(number for number, entry in enumerate(entries) if entry.key == "length")
    del entries[last]
    if stated:
        entries.add(key="length", value=stated)
    path.write_bytes(model.SerializeToString())
    np.testing.assert_array_equal(_answer(path), WEIGHT)
    np.testing.assert_array_equal(_answer(whole_model(path).serialized()), WEIGHT)


def _two(scattered: Any, path: Path, offset: int) -> None:
    """Write a model of two weights, the second of which lies ``offset`` bytes into the first one's file."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["x", "v"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    weights = [numpy_helper.from_array(WEIGHT, name) for name in ("w", "v")]
    files = scattered(_model(lambda _: {"nodes": nodes, "initializer": weights}), path)
    model = onnx.load(path, load_external_data=False)
    _entry("location", files[0].name)(files[0], model.graph.initializer[1])
    _entry("offset", str(offset))(files[0], model.graph.initializer[1])
    files[0].write_bytes(files[0].read_bytes() * 2)
    path.write_bytes(model.SerializeToString())


def test_tied_weights_may_share_their_bytes_but_not_some_of_them(scattered: Any, tmp_path: Path) -> None:
    for offset in (0, 240):
        _two(scattered, tmp_path / f"{offset}" / "m.onnx", offset)
        np.testing.assert_array_equal(
            _answer(whole_model(tmp_path / f"{offset}" / "m.onnx").serialized()), WEIGHT + WEIGHT
        )
    _two(scattered, tmp_path / "some" / "m.onnx", 40)
    with pytest.raises(ModelError, match="overlapping data of 'w' and 'v'"):
        load_model(tmp_path / "some" / "m.onnx")


@pytest.mark.parametrize(
    ("kind", "count"),
    [(TensorProto.INT4, 15), (TensorProto.UINT4, 15), (TensorProto.FLOAT16, 16), (TensorProto.BOOL, 17)],
)
def test_lengths_follow_from_type_and_shape(kind: int, count: int, scattered: Any, tmp_path: Path) -> None:
    """Two 4-bit values share a byte; what ONNX itself packs is the reference."""
    tensor = helper.make_tensor("w", kind, [count], np.ones(count))
    graph = onnx.GraphProto(initializer=[tensor])
    packed = numpy_helper.from_array(numpy_helper.to_array(tensor), "w").raw_data
    scattered(onnx.ModelProto(graph=graph), tmp_path / "m.onnx", least=0)
    outside = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    (file,) = tmp_path.glob("*.data")
    file.write_bytes(packed)
    _entry("length", str(len(packed)))(file, outside.graph.initializer[0])
    (extent,) = extents(outside, tmp_path / "m.onnx")
    assert b"".join(extent.blocks()) == packed
