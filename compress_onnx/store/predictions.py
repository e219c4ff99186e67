"""The outputs of one model on every sample as ``predictions/<artifact>.npz``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.records import Predictions
from compress_onnx.store.archives import archive, write_archive


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Write predictions as ``.npz``; missing labels are left out."""
    arrays: dict[str, NDArray[Any]] = {
        "sample_ids": predictions.sample_ids,
        "logits": predictions.logits,
        "artifact_sha256": np.array(predictions.artifact_sha256),
        "dataset_sha256": np.array(predictions.dataset_sha256),
        "cpu": np.array(predictions.cpu),
    }
    if predictions.labels is not None:
        arrays["labels"] = predictions.labels
    write_archive(path, arrays)


def load_predictions(path: Path) -> Predictions:
    """Read predictions.

    Errors
    ------
    RecordError
        if the file is missing, not such an archive, or its arrays do not fit each other.
    """
    with archive(path, "predictions") as arrays:
        predictions = Predictions(
            sample_ids=arrays["sample_ids"],
            labels=arrays.get("labels"),
            logits=arrays["logits"],
            artifact_sha256=str(arrays["artifact_sha256"]),
            dataset_sha256=str(arrays["dataset_sha256"]),
            cpu=str(arrays["cpu"]),
        )
        _expect_fitting(predictions)
    return predictions


def _expect_fitting(predictions: Predictions) -> None:
    """Raise ``ValueError`` unless ids, labels and logits are arrays of N rows in their documented types."""
    ids, logits = predictions.sample_ids, predictions.logits
    # Without labels the ids stand in for them: they fit themselves.
    labels = ids if predictions.labels is None else predictions.labels
    arrays = (ids, labels, logits)
    if not all(isinstance(array, np.ndarray) for array in arrays):
        message = "a member that is no array"
        raise ValueError(message)
    if ids.dtype.kind != "U" or logits.dtype != np.float32 or (labels is not ids and labels.dtype.kind != "i"):
        message = "ids, labels and logits of types {}, {} and {}".format(*(array.dtype for array in arrays))
        raise ValueError(message)
    if logits.ndim != 2 or not ids.shape == labels.shape == logits.shape[:1]:
        message = "ids, labels and logits of shapes {}, {} and {}".format(*(array.shape for array in arrays))
        raise ValueError(message)
