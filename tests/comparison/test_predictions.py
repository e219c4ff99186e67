"""Predictions are those of the bare runtime, asked once and then found, and never another model's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from compress_onnx.comparison.models import EvaluatedModel, NamedModel, evaluated_models
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.predictions import Output, predicted
from compress_onnx.data.decoded import decoded_once
from compress_onnx.data.images import ImageSet

Predict = Callable[..., Output]


@pytest.fixture
def images(make_images: Any) -> ImageSet:
    found: ImageSet = make_images()
    return found


@pytest.fixture
def predict(images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predict:
    """Predict all images with a model's file, with an empty cache at the start."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(path: Path, *, data: ImageSet = images, change: Any = lambda model: model, **options: Any) -> Output:
        (found,) = evaluated_models([NamedModel(source=path, name="m")], data, fallback=None, folder=None)
        evaluated: EvaluatedModel = change(found)
        with decoded_once(data, [evaluated.preprocessing]) as decoded:
            return predicted(evaluated, decoded, CompareOptions(**options), lambda share, words: None)

    return run


def bare(path: Path, images: ImageSet, batch: int) -> np.ndarray[Any, Any]:
    (found,) = evaluated_models([NamedModel(source=path, name="m")], images, fallback=None, folder=None)
    session = ort.InferenceSession(str(path))
    calls = images.batches(found.preprocessing, batch)
    return np.concatenate([session.run(None, {"images": call})[0] for call in calls])


def test_predictions_are_the_runtimes_and_know_what_they_are_of(
    predict: Predict, make_classifier: Any, images: ImageSet
) -> None:
    path = make_classifier("m", noise=0.3)
    found = predict(path)
    np.testing.assert_array_equal(found.predictions.logits, bare(path, images, 16))
    assert found.predictions.sample_ids.tolist() == images.sample_ids.tolist()
    assert found.predictions.labels is images.labels
    assert found.predictions.dataset_sha256 == images.info.sha256
    assert (found.run.name, found.run.independence.independent) == ("m", True)


def test_what_was_asked_once_is_found_and_says_that_nobody_was_asked(predict: Predict, make_classifier: Any) -> None:
    path = make_classifier("m", noise=0.3)
    first, second = predict(path), predict(path)
    assert (first.run.batch, second.run.batch, second.run.threads) == (16, None, None)
    np.testing.assert_array_equal(first.predictions.logits, second.predictions.logits)
    assert first.run.independence == second.run.independence
    assert predict(path, cache=False).run.batch == 16


def test_another_model_other_images_and_another_form_are_asked_anew(
    predict: Predict, make_classifier: Any, make_images: Any
) -> None:
    path = make_classifier("m", noise=0.3)
    first = predict(path)

    def brighter(model: EvaluatedModel) -> EvaluatedModel:
        form = dataclasses.replace(model.preprocessing, mean=(0.4,) * 3)
        return dataclasses.replace(model, preprocessing=form)

    for other in (
        predict(make_classifier("other", noise=0.2)),
        predict(path, data=make_images(seed=1)),
        predict(path, change=brighter),
    ):
        assert other.run.batch == 16
        assert not np.array_equal(other.predictions.logits, first.predictions.logits)


@pytest.mark.parametrize("batch", [1, 7])
def test_answers_that_depend_on_the_call_are_of_calls_as_large_as_asked(
    predict: Predict, make_classifier: Any, images: ImageSet, tmp_path: Path, batch: int
) -> None:
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(make_classifier("float", noise=0.1), path, weight_type=QuantType.QUInt8)
    for _ in range(2):
        found = predict(path, batch=batch)
        np.testing.assert_array_equal(found.predictions.logits, bare(path, images, batch))
        check = found.run.independence
        assert (check.independent, check.predicted_batch, check.compared) == (False, batch, 90)


def test_progress_ends_with_the_models_name(make_classifier: Any, images: ImageSet) -> None:
    (model,) = evaluated_models(
        [NamedModel(source=make_classifier("m"), name="mine")], images, fallback=None, folder=None
    )
    told: list[tuple[float, str]] = []
    with decoded_once(images, [model.preprocessing]) as decoded:
        predicted(model, decoded, CompareOptions(cache=False), lambda share, words: told.append((share, words)))
    assert told[-1] == (1.0, "mine")
    assert [share for share, _ in told] == sorted(share for share, _ in told)
