"""From a model and the images to its predictions: asked of the model, or found in the cache."""

from __future__ import annotations

import dataclasses
import functools
import json
import time

import numpy as np
import PIL
from numpy.typing import NDArray

from compress_onnx.comparison.models import EvaluatedModel
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.data import DecodedImages
from compress_onnx.options import Progress
from compress_onnx.records import BatchIndependence, PredictionRun, Predictions, Preprocessing
from compress_onnx.runtime import (
    OpenClassifier,
    PredictedLogits,
    Samples,
    batch_check,
    cached_check,
    cached_logits,
    count_changed,
    open_classifier,
    predict_logits,
    prediction_key,
    predictions_of,
    signs_of,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Output:
    """A model's predictions and how they came about."""

    predictions: Predictions
    run: PredictionRun


def predicted(evaluated: EvaluatedModel, images: DecodedImages, options: CompareOptions, progress: Progress) -> Output:
    """Return what a model predicts on all images.

    Whether its answers depend on the other images of a call is checked first; where they do, calls
    are of ``options.batch`` images.

    Errors
    ------
    ModelError
        if the file is not what it was, cannot be run, its output is not (N, C), or a logit is NaN or infinite; if
        its answers do not repeat, or depend on the call in a file of one fixed batch.
    """
    begin = time.perf_counter()
    prediction = _Prediction(evaluated, _samples(images, evaluated.preprocessing), options, progress)
    check = prediction.checked()
    logits = prediction.logits(check)
    if not check.independent:
        check = prediction.counted(check, logits)
    progress(1.0, evaluated.name)
    asked = prediction.asked
    run = PredictionRun(
        name=evaluated.name,
        batch=asked.batch if asked else None,
        threads=asked.threads if asked else None,
        seconds=time.perf_counter() - begin,
        independence=check,
    )
    return Output(predictions=predictions_of(evaluated.artifact.sha256, prediction.samples, logits), run=run)


def _samples(images: DecodedImages, form: Preprocessing) -> Samples:
    whole = images.images
    return Samples(
        inputs=lambda start, stop: images.inputs(start, stop, form),
        ids=whole.sample_ids,
        labels=whole.labels,
        sha256=whole.info.sha256,
    )


class _Prediction:
    """One model and one set of images: the session is opened when the cache lacks something, and once."""

    def __init__(
        self, evaluated: EvaluatedModel, samples: Samples, options: CompareOptions, progress: Progress
    ) -> None:
        self.samples = samples
        self.asked: PredictedLogits | None = None
        self._evaluated, self._options, self._progress = evaluated, options, progress

    @functools.cached_property
    def _model(self) -> OpenClassifier:
        return open_classifier(self._evaluated.model.whole, threads=self._options.threads)

    def checked(self) -> BatchIndependence:
        """Return whether answers depend on the call, and on how many images if they do."""
        batch = self._options.batch

        def find() -> BatchIndependence:
            signs = signs_of(self._evaluated.model.proto)
            return batch_check(self._model, self.samples, signs, batch=batch, rng=self._rng())

        return cached_check(self._key(f"check, batch {batch}, seed {self._options.seed}"), find)

    def logits(self, check: BatchIndependence) -> NDArray[np.float32]:
        """Return the logits (N, C) that count."""
        how = "any batch" if check.predicted_batch is None else f"batch {check.predicted_batch}"

        def find() -> NDArray[np.float32]:
            self.asked = predict_logits(self._model, self.samples, batch=check.predicted_batch, progress=self._progress)
            return self.asked.logits

        return cached_logits(self._key(how), find, n=len(self.samples))

    def counted(self, check: BatchIndependence, logits: NDArray[np.float32]) -> BatchIndependence:
        """Return the check with the answers counted that another batch changes."""

        def find() -> BatchIndependence:
            return count_changed(check, self._model, self.samples, logits, rng=self._rng())

        return cached_check(self._key(f"count, batch {check.predicted_batch}, seed {self._options.seed}"), find)

    def _key(self, how: str) -> str | None:
        if not self._options.cache:
            return None
        form = json.dumps([dataclasses.asdict(self._evaluated.preprocessing), PIL.__version__])
        return prediction_key(self._evaluated.artifact.sha256, self.samples.sha256, form, how)

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self._options.seed)
