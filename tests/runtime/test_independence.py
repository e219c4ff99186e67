"""Whether answers depend on the other images of a call, against bare ONNX Runtime."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from compress_onnx.errors import ModelError
from compress_onnx.records.run import BatchIndependence
from compress_onnx.runtime.independence import CHECKED, GraphSigns, batch_check, count_changed, signs_of
from compress_onnx.runtime.predict import Samples, open_classifier, predict_logits

Images = NDArray[np.float32]
Edit = Callable[[onnx.ModelProto], None]


def made_samples(n: int) -> Samples:
    images = np.random.default_rng(3).normal(size=(n, 3, 8, 8)).astype(np.float32)
    ids = np.array([f"image{row}" for row in range(n)], dtype=np.str_)
    return Samples(inputs=lambda start, stop: images[start:stop], ids=ids, labels=None, sha256="0" * 64)


def bare(path: Path, samples: Samples, batch: int) -> Images:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    whole = samples.inputs(0, len(samples))
    calls = [whole[start : start + batch] for start in range(0, len(whole), batch)]
    return np.concatenate([session.run(["logits"], {"input": call})[0] for call in calls])


def checked(path: Path, samples: Samples, *, batch: int = 1, seed: int = 0, blind: bool = False) -> BatchIndependence:
    signs = GraphSigns() if blind else signs_of(onnx.load(path))
    return batch_check(open_classifier(path), samples, signs, batch=batch, rng=np.random.default_rng(seed))


def behind(*nodes: tuple[str, list[str], str, dict[str, Any]], **tensors: Any) -> Edit:
    """Return an edit that puts nodes between ``scores``, what the classifier says, and ``logits``."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "scores"
        for op, inputs, output, attributes in nodes:
            model.graph.node.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items())

    return edit


def norm_in_training(model: onnx.ModelProto) -> None:
    statistics = {"scale": 1, "shift": 0, "mean": 0, "variance": 1}
    for node in model.graph.node:
        node.input[:] = ["normed" if name == "r1" else name for name in node.input]
    outputs = ["normed", "new_mean", "new_variance"]
    norm = helper.make_node("BatchNormalization", ["r1", *statistics], outputs, name="norm", training_mode=1)
    model.graph.node.insert(2, norm)
    for name, value in statistics.items():
        model.graph.initializer.append(numpy_helper.from_array(np.full(16, value, np.float32), name))


ONE = np.array([1])
MEAN = ("ReduceMean", ["scores", "first"], "mean", {"keepdims": 1})
MIXED: dict[str, Edit] = {
    "training": norm_in_training,
    "softmax": behind(("Softmax", ["scores"], "logits", {"axis": 0})),
    "mean": behind(MEAN, ("Sub", ["scores", "mean"], "logits", {}), first=np.array([0])),
    # Too weak for any prediction of these images.
    "weak": behind(
        MEAN,
        ("Mul", ["mean", "little"], "less", {}),
        ("Sub", ["scores", "less"], "logits", {}),
        first=np.array([0]),
        little=np.float32(1e-4),
    ),
    "sum so far": behind(("CumSum", ["scores", "first"], "logits", {}), first=np.array(0)),
    "norm": behind(("LpNormalization", ["scores"], "logits", {"axis": 0})),
    "attention": behind(
        ("Transpose", ["scores"], "turned", {"perm": [1, 0]}),
        ("MatMul", ["scores", "turned"], "alike", {}),
        ("MatMul", ["alike", "scores"], "logits", {}),
    ),
    # No image of this set comes near the bound.
    "switch": behind(
        ("ReduceMax", ["scores"], "largest", {"keepdims": 0}),
        ("Greater", ["largest", "bound"], "above", {}),
        ("Neg", ["scores"], "turned", {}),
        ("Where", ["above", "turned", "scores"], "logits", {}),
        bound=np.float32(20),
    ),
}
MOVED: dict[str, Edit] = {
    "roll": behind(
        ("Slice", ["scores", "one", "far", "zero"], "tail", {}),
        ("Slice", ["scores", "zero", "one", "zero"], "head", {}),
        ("Concat", ["tail", "head"], "logits", {"axis": 0}),
        one=ONE,
        zero=0 * ONE,
        far=ONE * 2**31,
    ),
    # The answers' sizes, not their order, depend on how many images there are.
    "divided": behind(
        ("Shape", ["scores"], "shape", {"start": 0, "end": 1}),
        ("Cast", ["shape"], "number", {"to": TensorProto.FLOAT}),
        ("Div", ["scores", "number"], "logits", {}),
    ),
}


@pytest.fixture
def dynamic(fp32: Path, tmp_path: Path) -> Path:
    quantize_dynamic(fp32, tmp_path / "dynamic.onnx", weight_type=QuantType.QUInt8)
    return tmp_path / "dynamic.onnx"


@pytest.mark.parametrize("name", [*MIXED, *MOVED])
def test_a_model_that_mixes_images_answers_as_it_does_one_by_one(edited: Callable[[Edit], Path], name: str) -> None:
    path, samples = edited({**MIXED, **MOVED}[name]), made_samples(40)
    found = checked(path, samples)
    assert not found.independent
    assert found.predicted_batch == 1
    assert not checked(path, samples, blind=True).independent
    logits = predict_logits(open_classifier(path), samples, batch=1).logits
    np.testing.assert_array_equal(logits, bare(path, samples, 1))
    told = count_changed(found, open_classifier(path), samples, logits, rng=np.random.default_rng(0))
    others = bare(path, samples, 16)
    assert (told.changed, told.compared) == (np.sum(logits.argmax(1) != others.argmax(1)), 40)
    assert told.largest_difference == np.abs(logits.astype(np.float64) - others).max()


@pytest.mark.parametrize("name", MIXED)
def test_the_graph_names_what_mixes(edited: Callable[[Edit], Path], name: str) -> None:
    found = checked(edited(MIXED[name]), made_samples(1))
    assert (found.independent, found.compared) == (False, 1)
    assert any("the images of a call" in cause for cause in found.causes)


def test_a_dynamically_quantized_model_answers_as_it_does_one_by_one(dynamic: Path) -> None:
    samples = made_samples(200)
    found = checked(dynamic, samples)
    assert (found.independent, found.predicted_batch, found.checked) == (False, 1, CHECKED)
    assert not checked(dynamic, samples, blind=True).independent
    assert "DynamicQuantizeLinear" in found.causes[0]
    logits = predict_logits(open_classifier(dynamic), samples, batch=found.predicted_batch).logits
    np.testing.assert_array_equal(logits, bare(dynamic, samples, 1))
    told = count_changed(found, open_classifier(dynamic), samples, logits, rng=np.random.default_rng(0))
    assert told.changed == np.sum(logits.argmax(1) != bare(dynamic, samples, 16).argmax(1)) > 0


def test_the_batch_that_is_asked_for_is_kept_to(dynamic: Path) -> None:
    samples = made_samples(41)
    found = checked(dynamic, samples, batch=4)
    logits = predict_logits(open_classifier(dynamic), samples, batch=found.predicted_batch).logits
    np.testing.assert_array_equal(logits, bare(dynamic, samples, 4))
    usual = checked(dynamic, samples, batch=16)
    logits = predict_logits(open_classifier(dynamic), samples, batch=16).logits
    told = count_changed(usual, open_classifier(dynamic), samples, logits, rng=np.random.default_rng(0))
    assert told.changed == np.sum(bare(dynamic, samples, 16).argmax(1) != bare(dynamic, samples, 1).argmax(1))
    assert told.batch == 1


@pytest.mark.parametrize("n", [0, 1, 2, 3, 17, 60])
@pytest.mark.parametrize("which", ["fp32", "u8s8", "fixed4"])
def test_models_that_keep_images_apart_are_found_independent(
    request: pytest.FixtureRequest, which: str, n: int
) -> None:
    found = checked(request.getfixturevalue(which), made_samples(n))
    assert (found.independent, found.predicted_batch, found.changed, found.causes) == (True, None, 0, ())
    # A fixed batch is filled, with some images twice where there are fewer.
    most = max(n // 4 * 4, 4 * (n > 0)) if which == "fixed4" else n
    assert found.checked == min(CHECKED, most)


def test_the_seed_draws_the_images(fp32: Path) -> None:
    samples = made_samples(60)
    asked: list[int] = []

    def noted(start: int, stop: int) -> Images:
        asked.append(start)
        return samples.inputs(start, stop)

    def drawn(seed: int) -> list[int]:
        asked.clear()
        checked(fp32, dataclasses.replace(samples, inputs=noted), seed=seed)
        return asked[1:]

    assert drawn(0) == drawn(0) != drawn(1)


@pytest.mark.parametrize("batch", [1, 4, "n"])
def test_a_model_that_draws_at_random_is_refused(edited: Callable[[Edit], Path], batch: int | str) -> None:
    noise = behind(("RandomNormalLike", ["scores"], "noise", {}), ("Add", ["scores", "noise"], "logits", {}))

    def edit(model: onnx.ModelProto) -> None:
        noise(model)
        dim = model.graph.input[0].type.tensor_type.shape.dim[0]
        dim.CopyFrom(onnx.TensorShapeProto.Dimension(**{"dim_param" if batch == "n" else "dim_value": batch}))

    with pytest.raises(ModelError, match=r"the same answers to the same images, got others for \d+ of \d+.*'noise'"):
        checked(edited(edit), made_samples(20))


def test_what_could_draw_but_does_not_is_said(edited: Callable[[Edit], Path]) -> None:
    rare = behind(("Dropout", ["scores", "never", "on"], "logits", {}), never=np.float32(0), on=np.bool_(1))
    found = checked(edited(rare), made_samples(20))
    assert (found.independent, found.draws) == (True, ("Dropout 'logits'",))


def test_a_fixed_batch_of_images_that_change_each_other_is_refused(edited: Callable[[Edit], Path]) -> None:
    def edit(model: onnx.ModelProto) -> None:
        MIXED["softmax"](model)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4

    with pytest.raises(ModelError, match=r"takes 4 images a call and no other number \(Softmax 'logits' over"):
        checked(edited(edit), made_samples(20))


def by_place(*biases: float) -> Edit:
    """Answers depend on an image's place in its call, whatever the other images are."""
    return behind(
        ("Shape", ["scores"], "shape", {"start": 0, "end": 1}),
        ("Squeeze", ["shape"], "number", {}),
        ("Range", ["none", "number", "one"], "places", {}),
        ("Gather", ["table", "places"], "bias", {"axis": 0}),
        ("Add", ["scores", "bias"], "logits", {}),
        none=np.array(0),
        one=np.array(1),
        table=np.array(biases, np.float32)[:, None] * np.arange(5, dtype=np.float32),
    )


@pytest.mark.parametrize("biases", [(0, 3), (0, 0, 0, 3), (3, 0, 0, 0, 0, 0, 0, 0)])
def test_a_fixed_batch_whose_answers_depend_on_the_place_is_refused(
    edited: Callable[[Edit], Path], biases: tuple[float, ...]
) -> None:
    def edit(model: onnx.ModelProto) -> None:
        by_place(*biases)(model)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = len(biases)

    with pytest.raises(ModelError, match=f"takes {len(biases)} images a call and no other number"):
        checked(edited(edit), made_samples(20))


def test_answers_that_depend_on_the_place_are_those_of_the_first_one(edited: Callable[[Edit], Path]) -> None:
    path, samples = edited(by_place(*[0.0] * 15, *[3.0] * 17)), made_samples(40)
    found = checked(path, samples)
    assert (found.independent, found.predicted_batch) == (False, 1)


def test_a_fixed_batch_of_one_depends_on_nothing(edited: Callable[[Edit], Path]) -> None:
    def edit(model: onnx.ModelProto) -> None:
        MIXED["mean"](model)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    assert checked(edited(edit), made_samples(20)).independent


@pytest.mark.parametrize("mixes", [False, True])
def test_a_graph_without_an_answer_to_exaggerated_pictures_is_judged_by_others(
    fp32: Path, edited: Callable[[Edit], Path], *, mixes: bool
) -> None:
    """Every score has its place in a table, which ends where these pictures' scores do."""
    samples = made_samples(40)
    table = np.arange(int(np.abs(bare(fp32, samples, 40)).max()) + 1, dtype=np.float32)
    nodes = [
        ("Cast", ["scores"], "places", {"to": TensorProto.INT64}),
        ("Gather", ["table", "places"], "found", {}),
        ("ReduceMean", ["found", "first"], "mean", {"keepdims": 1}),
        ("Add", ["scores", "mean" if mixes else "found"], "logits", {}),
    ]
    path = edited(behind(*nodes, table=table, first=np.array([0])))
    with pytest.raises(ModelError, match=r"idx=|out of"):
        open_classifier(path).raw(samples.inputs(0, 40) * np.float32(16))
    assert checked(path, samples, blind=True).independent is not mixes
