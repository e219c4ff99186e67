"""What the saliency stage asks of the other stages: target classes, and the deployed file as a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.config import THREADS
from compress_onnx.errors import OptionError
from compress_onnx.model import load_model, signature_of
from compress_onnx.ort import open_session
from compress_onnx.records import Predictions
from compress_onnx.ort import exact_spans
from compress_onnx.runtime import logits_of

LABEL = "label"


def explained_targets(predictions: Predictions, target: str) -> NDArray[np.int64]:
    """Return the class explained per sample, (N,): the baseline's prediction, or the label.

    Errors
    ------
    OptionError
        if labels are asked for and the data has none.
    """
    if target != LABEL:
        predicted: NDArray[np.int64] = predictions.logits.argmax(axis=1)
        return predicted
    if predictions.labels is None:
        raise OptionError(
            "labeled images for --saliency-target label",
            "images without labels",
            remedy="Explain the baseline's predictions.",
        )
    return predictions.labels


def explained_model(path: Path, *, batch: int | None) -> onnx.ModelProto:
    """Return a file's model; where its answers depend on the call, it takes ``batch`` images and no other number.

    The twin then takes as many at a time, as the predictions did.
    """
    model = load_model(path)
    if batch is not None:
        name = signature_of(model, where=path).input_name
        (fed,) = (value for value in model.graph.input if value.name == name)
        fed.type.tensor_type.shape.dim[0].dim_value = batch
    return model


def deployed_file(
    path: Path, *, threads: int | None, batch: int | None = None
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return ONNX Runtime's logits as a function of inputs; the session is opened at the first call.

    ``batch`` inputs go into one call, all of them where it is ``None``.
    """

    @functools.cache
    def session() -> ort.InferenceSession:
        return open_session(path, threads=threads or THREADS.default)

    def predict(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        calls = exact_spans(len(inputs), batch or max(len(inputs), 1))
        return logits_of(session(), [inputs[start:stop] for start, stop in calls], where=path)

    return predict
