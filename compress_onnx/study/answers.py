"""From a contestant and the images to its predictions: asked of the model, or found in the cache."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import PIL
from numpy.typing import NDArray

from compress_onnx.config import Progress
from compress_onnx.data.decoded import DecodedImages
from compress_onnx.records import PredictionRun, Predictions, Preprocessing
from compress_onnx.runtime.predict import Answers, Samples, answers, predictions_of
from compress_onnx.runtime.prediction_cache import kept_logits, prediction_key
from compress_onnx.study.contestants import Contestant
from compress_onnx.study.options import CompareOptions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """A contestant's predictions and how they came about."""

    predictions: Predictions
    run: PredictionRun


def answer_of(contestant: Contestant, images: DecodedImages, options: CompareOptions, progress: Progress) -> Answer:
    """Return what a contestant predicts on all images.

    Errors
    ------
    ModelError
        if the file is not what it was, cannot be run, its output is not (N, C), or a logit is NaN or infinite.
    """
    begin = time.perf_counter()
    whole, form = images.images, contestant.preprocessing
    samples = Samples(
        inputs=lambda start, stop: images.inputs(start, stop, form),
        ids=whole.sample_ids,
        labels=whole.labels,
        sha256=whole.info.sha256,
    )
    asked: list[Answers] = []

    def ask() -> NDArray[np.float32]:
        asked.append(answers(contestant.whole(), samples, threads=options.threads, progress=progress))
        return asked[0].logits

    key = prediction_key(contestant.artifact.sha256, samples.sha256, _form(form)) if options.cache else None
    logits = kept_logits(key, ask, n=len(samples))
    progress(1.0, contestant.name)
    run = PredictionRun(
        name=contestant.name,
        batch=asked[0].batch if asked else None,
        threads=asked[0].threads if asked else None,
        seconds=time.perf_counter() - begin,
    )
    predictions = predictions_of(contestant.artifact.sha256, samples, logits)
    return Answer(predictions=predictions, run=run)


def _form(preprocessing: Preprocessing) -> str:
    """Return in words how pictures become inputs, and by what."""
    return json.dumps([dataclasses.asdict(preprocessing), PIL.__version__])
