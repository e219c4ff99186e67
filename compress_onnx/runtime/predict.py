"""Run a classifier over a data set and keep its logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.config import THREADS, Progress, silent
from compress_onnx.errors import DataError, ModelError
from compress_onnx.files import sha256_of_file
from compress_onnx.records import Predictions
from compress_onnx.runtime.cpu import cpu_label
from compress_onnx.runtime.session import fixed_batch, image_input, open_session, runtime_failures


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """The images of one data set on their way into a model.

    ``batches`` yields preprocessed images (B, C, H, W) or (B, H, W, C) float32, B may vary;
    ``ids`` (N,) str and ``labels`` (N,) int64 or ``None`` are in the same order; ``sha256`` names
    the data set's content.
    """

    batches: Iterable[NDArray[np.float32]]
    ids: NDArray[np.str_]
    labels: NDArray[np.int64] | None
    sha256: str


def predict(
    path: Path, samples: Samples, *, threads: int = THREADS.default, progress: Progress = silent
) -> Predictions:
    """Return what the file at ``path`` answers on ``samples``, in their order.

    Errors
    ------
    ModelError
        if the file cannot be run, its output is not (N, C), or a logit is NaN or infinite.
    DataError
        if batches, ids and labels differ in length.
    """
    session = open_session(path, threads=threads)
    batches = told(samples.batches, total=len(samples.ids), progress=progress, name=path.name)
    logits = logits_of(session, batches, where=path)
    _expect_equal_lengths(len(logits), samples)
    return Predictions(
        sample_ids=samples.ids,
        labels=samples.labels,
        logits=logits,
        artifact_sha256=sha256_of_file(path),
        dataset_sha256=samples.sha256,
        cpu=cpu_label(),
    )


def logits_of(
    session: ort.InferenceSession, batches: Iterable[NDArray[np.float32]], *, where: object = ""
) -> NDArray[np.float32]:
    """Return the first output for all batches, joined: (N, C) float32, finite.

    A model with a fixed batch is fed in chunks of that size, the last one filled with zeros whose
    answers are dropped. No batches give (0, C), with C from the file, or 0 where it does not say.

    Errors
    ------
    ModelError
        if the session fails, its output is not (N, C), or a logit is NaN or infinite.
    """
    image_input(session, where=where)
    size = fixed_batch(session)
    parts = [_batch_logits(session, batch, size=size, where=where) for batch in batches if len(batch)]
    if not parts:
        declared = session.get_outputs()[0].shape
        classes = declared[1] if len(declared) == 2 and isinstance(declared[1], int) else 0
        return np.empty((0, classes), np.float32)
    return np.concatenate(parts)


def padded_chunks(images: NDArray[np.float32], size: int) -> Iterator[NDArray[np.float32]]:
    """Yield the images in chunks of exactly ``size``, the last one filled with zeros.

    >>> [chunk.tolist() for chunk in padded_chunks(np.array([1, 2, 3], np.float32), 2)]
    [[1.0, 2.0], [3.0, 0.0]]
    """
    for start in range(0, len(images), size):
        chunk = images[start : start + size]
        missing = np.zeros((size - len(chunk), *images.shape[1:]), images.dtype)
        yield np.concatenate([chunk, missing]) if len(missing) else chunk


def _batch_logits(
    session: ort.InferenceSession, images: NDArray[np.float32], *, size: int | None, where: object
) -> NDArray[np.float32]:
    chunks = [images] if size is None else padded_chunks(images, size)
    answers = [_run(session, chunk, where=where) for chunk in chunks]
    logits = np.concatenate(answers)[: len(images)]
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        raise ModelError(
            "finite logits",
            f"NaN or infinity for {broken} of {len(images)} images in a batch",
            where=where,
            remedy="Check the model's weights and the preprocessing.",
        )
    return logits


def _run(session: ort.InferenceSession, images: NDArray[np.float32], *, where: object) -> NDArray[np.float32]:
    name, output = image_input(session, where=where).name, session.get_outputs()[0]
    with runtime_failures(where):
        (answer,) = session.run([output.name], {name: images})
    if not isinstance(answer, np.ndarray) or not np.issubdtype(answer.dtype, np.floating):
        raise _not_logits(f"{output.name!r} of type {output.type}", where)
    if answer.ndim != 2 or len(answer) != len(images):
        raise _not_logits(f"{output.name!r} of shape {answer.shape} for {len(images)} images", where)
    return answer.astype(np.float32, copy=False)


def _not_logits(got: str, where: object) -> ModelError:
    return ModelError(
        "classification output (N, C) in floating point",
        got,
        where=where,
        remedy="Export the model with its classifier head as the first output.",
    )


def told(
    batches: Iterable[NDArray[np.float32]], *, total: int, progress: Progress, name: str
) -> Iterator[NDArray[np.float32]]:
    """Yield the batches and tell the progress after each."""
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        progress(min(1.0, done / max(total, 1)), f"{name}: {done} images")


def _expect_equal_lengths(answers: int, samples: Samples) -> None:
    labels = answers if samples.labels is None else len(samples.labels)
    if not answers == len(samples.ids) == labels:
        raise DataError(
            "as many images as ids and labels",
            f"{answers} images, {len(samples.ids)} ids and {labels} labels",
            remedy="Load the data set again.",
        )
