"""The outputs of one model on every sample as ``predictions/<artifact>.npz``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import RecordError
from compress_onnx.files import BROKEN_ARCHIVE, written_whole
from compress_onnx.records import Predictions


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
    with written_whole(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def load_predictions(path: Path) -> Predictions:
    """Read predictions.

    Errors
    ------
    RecordError
        if the file is missing, not such an archive, or its arrays do not fit each other.
    """
    try:
        # numpy leaves a broken file open if it opened it itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            predictions = Predictions(
                sample_ids=archive["sample_ids"],
                labels=archive.get("labels"),
                logits=archive["logits"],
                artifact_sha256=str(archive["artifact_sha256"]),
                dataset_sha256=str(archive["dataset_sha256"]),
                cpu=str(archive["cpu"]),
            )
        _expect_fitting(predictions)
    except BROKEN_ARCHIVE as error:
        got = str(error) or type(error).__name__
        raise RecordError("predictions in .npz", got, where=path, remedy="Make the run again.") from error
    return predictions


def _expect_fitting(predictions: Predictions) -> None:
    """Raise ``ValueError`` unless ids, labels and logits are arrays of N rows in their documented types."""
    labels = predictions.sample_ids if predictions.labels is None else predictions.labels
    if not all(isinstance(array, np.ndarray) for array in (predictions.sample_ids, labels, predictions.logits)):
        message = "a member that is no array"
        raise ValueError(message)
    kinds = (predictions.sample_ids.dtype.kind, labels.dtype.kind, predictions.logits.dtype)
    if kinds[0] != "U" or kinds[1] != ("U" if predictions.labels is None else "i") or kinds[2] != np.float32:
        message = f"ids, labels and logits of types {predictions.sample_ids.dtype}, {labels.dtype} and {predictions.logits.dtype}"
        raise ValueError(message)
    rows = len(predictions.sample_ids)
    if (
        predictions.logits.ndim != 2
        or predictions.sample_ids.shape != (rows,)
        or not labels.shape == (rows,) == predictions.logits.shape[:1]
    ):
        message = f"ids, labels and logits of shapes {predictions.sample_ids.shape}, {labels.shape} and {predictions.logits.shape}"
        raise ValueError(message)
