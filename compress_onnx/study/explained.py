"""What the saliency stage asks of the other stages: target classes, and the deployed file as a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.config import THREADS
from compress_onnx.errors import OptionError
from compress_onnx.ort.session import open_session
from compress_onnx.records import Predictions
from compress_onnx.runtime.predict import logits_of

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
            "labelled images for --saliency-target label",
            "images without labels",
            remedy="Explain the baseline's predictions.",
        )
    return predictions.labels


def deployed_file(path: Path, *, threads: int | None) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return ONNX Runtime's logits as a function of inputs; the session is opened at the first call."""
    found: list[Callable[[NDArray[np.float32]], NDArray[np.float32]]] = []

    def predict(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        if not found:
            session = open_session(path, threads=threads or THREADS.default)
            found.append(lambda batch: logits_of(session, [batch], where=path))
        return found[0](inputs)

    return predict
