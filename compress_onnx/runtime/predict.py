"""Run a classifier over a data set and keep its logits."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.errors import DataError, ModelError
from compress_onnx.model import WholeModel, whole_model
from compress_onnx.options import THREADS, Progress, silent
from compress_onnx.ort import (
    batch_for,
    exact_spans,
    fixed_batch,
    fixed_chunks,
    image_input,
    open_session,
    runtime_failures,
    spans,
)
from compress_onnx.records import Predictions
from compress_onnx.runtime.cpu import cpu_label
from compress_onnx.runtime.workers import usable_cores

# From so many images on, a probe of 32 is worth its time.
_PROBED_FROM = 2_048


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """The images of one data set on their way into a model.

    ``inputs(start, stop)`` returns preprocessed images (B, C, H, W) or (B, H, W, C) float32 and is
    called by several threads, for every row at least once; ``ids`` (N,) str and ``labels`` (N,)
    int64 or ``None`` are in the same order; ``sha256`` names the data set's content.
    """

    inputs: Callable[[int, int], NDArray[np.float32]]
    ids: NDArray[np.str_]
    labels: NDArray[np.int64] | None
    sha256: str

    def __len__(self) -> int:
        return len(self.ids)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictedLogits:
    """What a model answered, (N, C) float32, and how it was asked: images per call, calls at a time."""

    logits: NDArray[np.float32]
    batch: int
    threads: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenClassifier:
    """A file in a session of one thread, which ``workers`` threads ask at a time.

    ``fixed`` is the only batch it takes, ``None`` where any goes.
    """

    path: Path
    session: ort.InferenceSession
    workers: int
    fixed: int | None

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the answers (B, C) float32 to one call, all finite; a fixed batch is filled up."""
        return _batch_logits(self.session, images, size=self.fixed, where=self.path)

    def raw(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the answers to one call as they come, finite or not."""
        return _run(self.session, images, where=self.path)


def open_classifier(model: Path | WholeModel, *, threads: int | None = None) -> OpenClassifier:
    """Open a model file, or what was read of one; ``threads`` ask it at a time, by default one per usable core.

    Errors
    ------
    ModelError
        if the file cannot be loaded or takes no images.
    OptionError
        if ``threads`` is out of bounds.
    """
    workers = usable_cores() if threads is None else THREADS.check(threads)
    session, path = open_session(model, threads=1), model if isinstance(model, Path) else model.path
    return OpenClassifier(path=path, session=session, workers=workers, fixed=fixed_batch(session))


def predict(path: Path, samples: Samples, *, threads: int | None = None, progress: Progress = silent) -> Predictions:
    """Return what the file at ``path`` answers on ``samples``, in their order.

    See :func:`predict_file_logits`.
    """
    whole = whole_model(path)
    logits = predict_file_logits(whole, samples, threads=threads, progress=progress).logits
    return predictions_of(whole.sha256, samples, logits)


def predictions_of(artifact_sha256: str, samples: Samples, logits: NDArray[np.float32]) -> Predictions:
    """Return logits (N, C) with what they belong to: ids, labels, hashes of file and data, this CPU."""
    return Predictions(
        sample_ids=samples.ids,
        labels=samples.labels,
        logits=logits,
        artifact_sha256=artifact_sha256,
        dataset_sha256=samples.sha256,
        cpu=cpu_label(),
    )


def predict_file_logits(
    model: Path | WholeModel, samples: Samples, *, threads: int | None = None, progress: Progress = silent
) -> PredictedLogits:
    """Return the logits of a model file, or of what was read of one, on ``samples``, in their order.

    See :func:`open_classifier` for ``threads`` and :func:`predict_logits` for the rest. That answers do not depend on the
    other images of a call is for :mod:`compress_onnx.runtime.independence` to check.
    """
    return predict_logits(open_classifier(model, threads=threads), samples, progress=progress)


def predict_logits(
    model: OpenClassifier, samples: Samples, *, batch: int | None = None, progress: Progress = silent
) -> PredictedLogits:
    """Return the logits of a file on ``samples``, in their order.

    Calls run each on one core: for images that come in thousands this is faster than one call on
    all cores, and the logits are those of one thread whatever the number. ``batch`` images go into
    one call, the last one takes the rest. Without it the images per call are probed, see
    :func:`~compress_onnx.ort.batches.chosen_batch`; a fixed batch is what the model says.

    Errors
    ------
    ModelError
        if the file cannot be run, its output is not (N, C), or a logit is NaN or infinite.
    DataError
        if inputs, ids and labels differ in length.
    """
    _expect_equal_lengths(samples)
    fed = functools.partial(fed_rows, samples)
    if batch is None:
        size = model.fixed or batch_for(model.logits, fed, len(samples), probed_from=_PROBED_FROM)
        calls = spans(len(samples), size)
    else:
        size, calls = batch, exact_spans(len(samples), batch)
    with ThreadPoolExecutor(min(model.workers, max(len(calls), 1))) as pool:
        batches = pool.map(lambda call: model.logits(fed(*call)), calls)
        parts = list(with_progress(batches, total=len(samples), progress=progress, name=model.path.name))
    logits = np.concatenate(parts) if parts else _nothing(model.session)
    return PredictedLogits(logits=logits, batch=size, threads=model.workers)


def logits_of(
    session: ort.InferenceSession, batches: Iterable[NDArray[np.float32]], *, where: object = ""
) -> NDArray[np.float32]:
    """Return the first output for all batches, joined: (N, C) float32, finite.

    A model with a fixed batch is fed in chunks of that size, the last one filled with images again whose
    answers are dropped. No batches give (0, C), with C from the file, or 0 where it does not say.

    Errors
    ------
    ModelError
        if the session fails, its output is not (N, C), or a logit is NaN or infinite.
    """
    image_input(session, where=where)
    size = fixed_batch(session)
    parts = [_batch_logits(session, batch, size=size, where=where) for batch in batches if len(batch)]
    return np.concatenate(parts) if parts else _nothing(session)


def _nothing(session: ort.InferenceSession) -> NDArray[np.float32]:
    declared = session.get_outputs()[0].shape
    classes = declared[1] if len(declared) == 2 and isinstance(declared[1], int) else 0
    return np.empty((0, classes), np.float32)


def _batch_logits(
    session: ort.InferenceSession, images: NDArray[np.float32], *, size: int | None, where: object
) -> NDArray[np.float32]:
    chunks = [images] if size is None else fixed_chunks(images, size)
    chunk_logits = [_run(session, chunk, where=where) for chunk in chunks]
    logits = np.concatenate(chunk_logits)[: len(images)]
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


def with_progress(
    parts: Iterable[NDArray[np.float32]], *, total: int, progress: Progress, name: str
) -> Iterator[NDArray[np.float32]]:
    """Yield the batches and tell the progress after each."""
    done = 0
    for part in parts:
        yield part
        done += len(part)
        progress(min(1.0, done / max(total, 1)), f"{name}: {done} images")


def _expect_equal_lengths(samples: Samples) -> None:
    if samples.labels is not None and len(samples.labels) != len(samples):
        raise DataError(
            "as many labels as ids",
            f"{len(samples)} ids and {len(samples.labels)} labels",
            remedy="Load the data set again.",
        )


def fed_rows(samples: Samples, start: int, stop: int) -> NDArray[np.float32]:
    """Return the model inputs of rows ``start`` to ``stop``; :class:`DataError` if they are not as many."""
    images = samples.inputs(start, stop)
    if len(images) != stop - start:
        raise DataError(
            "as many images as ids",
            f"{len(images)} images for rows {start} to {stop - 1}",
            remedy="Load the data set again.",
        )
    return images
