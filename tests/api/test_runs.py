"""The front door against the command line, and against what people hand in by mistake."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import compress_onnx as co
from compress_onnx.api.example import classifier, pictures
from compress_onnx.cli.app import run as run_cli
from compress_onnx.data.preprocess import preprocess
from compress_onnx.errors import CompressOnnxError, DataError, ModelError, OptionError, RecordError
from compress_onnx.model.model import Model
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.store.run import without_times

QUICK: dict[str, Any] = {"saliency": "none", "latency": False, "cache": False}
FORM = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)
# What a run of the command line and one of Python may differ in: words, names of files and data.
NAMES = frozenset({"command", "path", "name", "split", "config"})
POLICY = '[[rule]]\nmetric = "flips.rate"\nat_most = {}\n'


class Loader:
    """Batches of (inputs, labels), as often as asked for, as a ``DataLoader`` gives them."""

    def __init__(self, inputs: NDArray[Any], labels: NDArray[Any], size: int = 16) -> None:
        self.inputs, self.labels, self.size = inputs, labels, size
        self.asked = 0

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        self.asked += 1
        for start in range(0, len(self.inputs), self.size):
            yield self.inputs[start : start + self.size], self.labels[start : start + self.size]


def normalized(n: int = 60) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images, labels = pictures(n)
    return preprocess(images, FORM), labels


def _unnamed(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _unnamed(value) for key, value in node.items() if key not in NAMES}
    return [_unnamed(item) for item in node] if isinstance(node, list) else node


# ------------------------------------------------------------------------------------------- what comes out


def test_a_loader_gives_what_the_command_line_gives_on_the_same_images(tmp_path: Path) -> None:
    images, labels = pictures(60)
    onnx.save(classifier(), tmp_path / "base.onnx")
    onnx.save(classifier(0.3), tmp_path / "noisy.onnx")
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    words = ["compare", *(str(tmp_path / name) for name in ("base.onnx", "noisy.onnx"))]
    words += ["--data", str(tmp_path / "set.npz"), "--saliency", "none", "--no-latency", "--no-cache"]
    assert run_cli([*words, "--out", str(tmp_path / "run")]) == 0
    told = co.load_run(tmp_path / "run")
    loader = Loader(*normalized())
    run = co.compare(tmp_path / "base.onnx", {"noisy": tmp_path / "noisy.onnx"}, loader, **QUICK)
    assert loader.asked == 1
    assert _unnamed(without_times(run.record)) == _unnamed(without_times(told.record))
    mine, theirs = run.samples(), told.samples()
    assert mine.column_names == theirs.column_names
    for name in mine.column_names:
        np.testing.assert_array_equal(mine[name].to_numpy(), theirs[name].to_numpy())
    assert (run.record.comparisons[0].flips.flips, run.record.dataset.n) == (told.record.comparisons[0].flips.flips, 60)


def test_a_torch_loader_is_gone_through_once() -> None:
    torch = pytest.importorskip("torch")
    inputs, labels = normalized()
    data = torch.utils.data.TensorDataset(torch.from_numpy(inputs), torch.from_numpy(labels))
    loader = torch.utils.data.DataLoader(data, batch_size=16)
    run = co.compare(classifier(), {"noisy": classifier(0.3)}, loader, **QUICK)
    arrays = co.compare(classifier(), {"noisy": classifier(0.3)}, pictures(60), **QUICK)
    assert _unnamed(without_times(run.record)) == _unnamed(without_times(arrays.record))


def test_models_are_paths_bytes_graphs_or_models(tmp_path: Path) -> None:
    graph = classifier(0.2)
    onnx.save(graph, tmp_path / "m.onnx")
    forms = [tmp_path / "m.onnx", str(tmp_path / "m.onnx"), graph.SerializeToString(), graph, Model.of(graph)]
    runs = [co.compare(classifier(), form, pictures(30), **QUICK) for form in forms]
    rates = {float(next(iter(run.comparisons.values())).flips.rate) for run in runs}
    assert len(rates) == 1


def test_candidates_without_names_get_distinct_ones(tmp_path: Path) -> None:
    onnx.save(classifier(0.2), tmp_path / "m.onnx")
    run = co.compare(classifier(), [classifier(), classifier(), tmp_path / "m.onnx"], pictures(30), **QUICK)
    assert list(run.comparisons) == ["candidate", "candidate-2", "m"]


def test_float_inputs_are_fed_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs that no picture makes are compared too, and say the same as the runtime alone."""
    inputs, labels = normalized()
    inputs = inputs + np.float32(0.001)
    run = co.compare(classifier(), {"noisy": classifier(0.3)}, (inputs, labels), **QUICK)
    import onnxruntime as ort

    answers = [
        ort.InferenceSession(model.SerializeToString()).run(None, {"images": inputs})[0].argmax(1)
        for model in (classifier(), classifier(0.3))
    ]
    assert run.comparisons["noisy"].flips.flips == int(np.sum(answers[0] != answers[1]))


def test_a_foreign_model_needs_no_preprocessing_for_its_own_inputs() -> None:
    graph = classifier(0.3)
    del graph.metadata_props[:]
    plain = classifier()
    del plain.metadata_props[:]
    run = co.compare(plain, {"noisy": graph}, normalized(), **QUICK)
    told = co.compare(classifier(), {"noisy": classifier(0.3)}, pictures(60), **QUICK)
    assert run.comparisons["noisy"].flips.flips == told.comparisons["noisy"].flips.flips
    with pytest.raises(ModelError, match="preprocessing in the model's metadata"):
        co.compare(plain, graph, pictures(30), **QUICK)


def test_a_run_is_judged_shown_and_kept(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(POLICY.format(1), encoding="utf-8")
    run = co.compare(classifier(), {"noisy": classifier(0.3)}, pictures(60), **QUICK)
    assert run.gate(tmp_path / "p.toml").outcome == "pass"
    page = run.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "noisy" in page
    assert run.pictures
    assert all(base64.b64encode(png).decode() in page for png in run.pictures.values())
    run.save(tmp_path / "run")
    stored = co.load_run(tmp_path / "run")
    assert stored.record == dataclasses.replace(run.record)
    assert stored.samples().num_rows == run.samples().num_rows == 60
    assert "noisy" in run._repr_html_()


def test_check_decides(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(POLICY.format(0), encoding="utf-8")
    run = co.check(classifier(), classifier(0.3), pictures(60), policy=tmp_path / "p.toml", **QUICK)
    assert run.record.verdict is not None
    assert run.record.verdict.outcome == "fail"
    with pytest.raises(CompressOnnxError, match=r"no file|No such file"):
        co.check(classifier(), classifier(), pictures(60), policy=tmp_path / "none.toml", **QUICK)


def test_a_calibrating_image_is_not_evaluated() -> None:
    small = co.quantize(classifier(), pictures(60), calibration_size=30)
    with pytest.raises(DataError, match="calibrat"):
        co.compare(classifier(), {"int8": small}, pictures(60), **QUICK)
    assert co.compare(classifier(), {"int8": small}, pictures(60, seed=9), **QUICK).comparisons["int8"]


def test_a_saved_model_is_the_same_model(tmp_path: Path) -> None:
    small = co.quantize(classifier(), pictures(60), calibration_size=30)
    path = small.save(tmp_path / "int8.onnx")
    assert Model.of(path).sha256 == small.sha256
    assert (tmp_path / "int8.calibration.json").exists()
    assert json.loads((tmp_path / "int8.calibration.json").read_text())["seed"] == 0


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: (np.zeros((4, 3, 8, 8), np.float32), np.arange(4) % 3), r"inputs of shape \(N, 3, 6, 6\)"),
        (lambda: (pictures(6)[0].astype(np.float32), pictures(6)[1]), r"inputs of shape \(N, 3, 6, 6\)"),
        (lambda: (normalized(6)[0].astype(np.uint8), pictures(6)[1]), r"uint8 pictures \(B, H, W, 3\)"),
        (lambda: (pictures(6)[0].astype(np.int64), pictures(6)[1]), "float32 inputs of four dimensions"),
        (lambda: (pictures(6)[0], np.eye(3)[pictures(6)[1]]), "one-hot"),
        (lambda: (pictures(6)[0], np.arange(5)), r"integers of shape \(6,\)"),
        (lambda: (pictures(6)[0], np.array([0, 1, 2, 0, 1, -1])), "labels from 0"),
        (lambda: [(pictures(6)[0], None), (pictures(6)[0], pictures(6)[1])], "labels in every batch or in none"),
        (lambda: [pictures(6), (np.zeros((2, 5, 5, 3), np.uint8), np.zeros(2, int))], "batches like the first"),
        (lambda: [pictures(6), normalized(6)], "batches like the first"),
        (lambda: [(pictures(6)[0], pictures(6)[1], 3)], r"batches of \(inputs, labels\)"),
        (list, "at least one image"),
        (lambda: ["a", "b"], "arrays of numbers"),
        (lambda: 7, "a data set's name or path"),
        (lambda: "no-such-data", "data set"),
        (lambda: (normalized(6)[0] * np.nan, pictures(6)[1]), "finite logits"),
    ],
)
def test_other_data_are_refused_in_one_sentence(data: Any, message: str) -> None:
    with pytest.raises(CompressOnnxError, match=message):
        co.compare(classifier(), classifier(0.1), data(), **QUICK)


def test_a_generator_is_not_used_twice() -> None:
    batches = iter(Loader(*normalized(), size=20))
    co.compare(classifier(), classifier(), batches, **QUICK)
    with pytest.raises(DataError, match=r"at least one image, got none \(data\). A generator gives its batches once"):
        co.compare(classifier(), classifier(), batches, **QUICK)


def test_a_graph_changed_after_comparing_is_another_model() -> None:
    graph = classifier()
    before = co.compare(classifier(), {"m": graph}, pictures(60), **QUICK)
    graph.CopyFrom(classifier(0.4))
    after = co.compare(classifier(), {"m": graph}, pictures(60), **QUICK)
    assert before.comparisons["m"].flips.flips == 0 < after.comparisons["m"].flips.flips
    assert before.record.artifacts[1].sha256 != after.record.artifacts[1].sha256


def test_a_model_object_that_was_written_to_is_refused(tmp_path: Path) -> None:
    model = Model.of(classifier())
    model.proto.graph.initializer[0].raw_data = bytes(len(model.proto.graph.initializer[0].raw_data))
    for use in (
        lambda: co.compare(classifier(), {"m": model}, pictures(60), **QUICK),
        lambda: model.save(tmp_path / "m.onnx"),
    ):
        with pytest.raises(ModelError, match="stays as it is while it is judged"):
            use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: b"not a model", "a valid ONNX file"),
        (lambda: b"", "an empty file"),
        (lambda: 3, "a model as a path, bytes"),
        (lambda: "none.onnx", "no file"),
        (onnx.ModelProto, "an empty file"),
    ],
)
def test_what_is_no_model_is_refused(model: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        co.compare(classifier(), model(), pictures(30), **QUICK)


def test_one_model_is_no_comparison() -> None:
    with pytest.raises(OptionError, match="at least one candidate"):
        co.compare(classifier(), {}, pictures(30), **QUICK)


def test_a_run_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="a run's folder"):
        co.load_run(tmp_path)
