from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, save_model

from compress_onnx.compare.options import CompareOptions
from compress_onnx.compare.saliency import deployed_file, explained_model, explained_targets
from compress_onnx.errors import OptionError, UnknownNameError
from compress_onnx.model.model import Model
from compress_onnx.model.signature import signature_of
from compress_onnx.records.artifacts import Predictions


def predictions(labels: Any) -> Predictions:
    return Predictions(
        sample_ids=np.array(["a", "b"]),
        labels=labels,
        logits=np.array([[0, 2, 1], [3, 0, 0]], np.float32),
        artifact_sha256="",
        dataset_sha256="",
        cpu="",
    )


def test_the_class_explained_is_the_prediction_or_the_label() -> None:
    found = predictions(np.array([2, 0]))
    assert explained_targets(found, "baseline").tolist() == [1, 0]
    assert explained_targets(found, "label").tolist() == [2, 0]


def test_labels_that_are_not_there_cannot_be_explained() -> None:
    with pytest.raises(OptionError, match="labeled images for --saliency-target label"):
        explained_targets(predictions(None), "label")


def test_another_target_is_refused_with_the_two_there_are() -> None:
    with pytest.raises(UnknownNameError, match="Known: baseline, label"):
        CompareOptions(saliency_target="truth")


def test_a_deployed_file_answers_and_is_opened_when_first_asked(tmp_path: Path) -> None:
    path = tmp_path / "flat.onnx"
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["input"], ["logits"])],
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, 1, 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
    )
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    predict = deployed_file(Model.of(path), threads=1)
    images = np.arange(6, dtype=np.float32).reshape(3, 1, 1, 2)
    for _ in range(2):
        np.testing.assert_array_equal(predict(images), images.reshape(3, 2))


def test_a_model_whose_answers_depend_on_the_call_is_explained_in_such_calls(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["input"], ["f"]), helper.make_node("Softmax", ["f"], ["logits"], axis=0)],
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, 1, 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
    )
    path = tmp_path / "mixed.onnx"
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    inputs = np.arange(6, dtype=np.float32).reshape(3, 1, 1, 2)
    np.testing.assert_array_equal(deployed_file(Model.of(path), threads=1, batch=1)(inputs), np.ones((3, 2)))
    assert deployed_file(Model.of(path), threads=1)(inputs).max() < 1
    assert signature_of(explained_model(Model.of(path), batch=1)).fixed_batch == 1
    assert signature_of(explained_model(Model.of(path), batch=None)).fixed_batch is None
