"""Quantization ranges from calibration images, streamed through ONNX Runtime's calibrators in chunks.

The images are cut into chunks of one size, whatever batches they come in. Of each chunk ONNX
Runtime's histogram calibrator shows every activation; what is kept of them are extremes and counts
that add up, so memory does not grow with the number of images and no chunk weighs more than
another. Thresholds are chosen from the counts by ONNX Runtime's own code.

Differences from ``quantize_static``, and why: the instrumented model runs optimized, which moves
activations by float rounding only and saves a third of the time on ResNet-18; extremes are taken by
NumPy, which lets NaN through where ONNX Runtime drops it; and the bins of a histogram do not depend
on what was seen first (:mod:`compress_onnx.compress.calibration.histograms`).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import (
    CalibrationDataReader,
    CalibrationMethod,
    HistogramCalibrater,
    TensorData,
    TensorsData,
)

from compress_onnx.compress.calibration.histograms import collector_for
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model import Signature
from compress_onnx.ort import compressing_session, filled, runtime_failures

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
# All activations of 16 images of ResNet-18 are 0.1 GB; larger chunks are hardly faster.
CHUNK = 16
_RUNS = "a model that runs on the calibration images"


class _Chunk(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """One chunk, as ONNX Runtime's calibrators ask for it."""

    def __init__(self, input_name: str, images: NDArray[np.float32]) -> None:
        self._feeds = iter([{input_name: images}])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next feed, or ``None`` at the end."""
        return next(self._feeds, None)


def ranges(
    model: Path, input_name: str, batches: Iterable[NDArray[np.float32]], *, method: str, scratch: Path
) -> TensorsData:
    """Return the range of every activation in a model file over all batches.

    ``batches`` are inputs (B, C, H, W) float32, as :func:`fitting` cuts them; each is run and
    forgotten. ``scratch`` is a folder for the instrumented model.

    Errors
    ------
    DataError
        if there are no batches, or one holds NaN or infinity.
    ModelError
        if ONNX Runtime cannot run the model on them, or an activation is NaN or infinite.
    """
    with _on_the_model():
        calibrator = _instrumented(model, scratch / "instrumented.onnx")
    calibrator.collector = collector_for(method)
    for batch in _checked(batches):
        with _on_the_model():
            calibrator.collect_data(_Chunk(input_name, batch))
    with _on_the_model():
        found = calibrator.collector.compute_collection_result()
    return _tensors(method, {name: (low, high) for name, (low, high, *_) in sorted(found.items())})


def _tensors(method: str, found: dict[str, tuple[np.floating, np.floating]]) -> TensorsData:
    data = {name: TensorData(lowest=np.asarray(low), highest=np.asarray(high)) for name, (low, high) in found.items()}
    return TensorsData(METHODS[method], data)


def _instrumented(model: Path, target: Path) -> HistogramCalibrater:
    """Return the calibrator whose model gives out every activation."""
    calibrator = HistogramCalibrater(model, augmented_model_path=str(target))
    calibrator.augment_graph()
    calibrator.infer_session = compressing_session(target, where="calibration", expected=_RUNS)
    return calibrator


@contextlib.contextmanager
def _on_the_model() -> Iterator[None]:
    """Say the calibrators' failures in one sentence, and keep their chatter off stdout.

    NaN is looked for in the extremes, so NumPy need not warn of it.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", RuntimeWarning)
        with runtime_failures("calibration", expected=_RUNS):
            try:
                yield
            except ValueError as error:
                raise ModelError("activations that have a range", str(error), where="calibration") from error


def _checked(batches: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    images = 0
    for batch in batches:
        if not np.isfinite(batch).all():
            raise DataError("finite calibration inputs", "NaN or infinity", remedy="Check mean and std.")
        images += len(batch)
        if len(batch):
            yield batch
    if not images:
        raise DataError("at least one calibration image", "none", remedy="Name a data set with --data.")


def fitting(
    batches: Iterable[NDArray[np.float32]], expected: Signature, *, where: object = ""
) -> Iterator[NDArray[np.float32]]:
    """Yield the same images in the same order, in chunks of the size that the model takes.

    The size is ``CHUNK`` where the model takes any, whatever batches come in, so that equal images
    meet equal kernels. A model of fixed batch gets its own size; its last chunk is filled up by
    repeating that chunk's images, which moves no minimum and no maximum.

    Errors
    ------
    DataError
        if a batch is not float32 or its images have another shape than the model's input.
    """
    fixed = expected.fixed_batch
    for part in _cut(_of_shape(batches, expected, where), fixed or CHUNK):
        yield filled(part, fixed) if fixed else part


def _of_shape(
    batches: Iterable[NDArray[np.float32]], expected: Signature, where: object
) -> Iterator[NDArray[np.float32]]:
    for batch in batches:
        _expect_images(batch, expected, where)
        yield batch


def _cut(batches: Iterable[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """Yield chunks of ``size`` images; smaller ones only at the end and before images of another size."""
    rest: NDArray[np.float32] | None = None
    for batch in batches:
        if rest is not None and rest.shape[1:] != batch.shape[1:]:
            yield from _non_empty(rest)
            rest = None
        rest = batch if rest is None else np.concatenate([rest, batch])
        whole = len(rest) // size * size
        yield from (rest[start : start + size] for start in range(0, whole, size))
        rest = rest[whole:]
    if rest is not None:
        yield from _non_empty(rest)


def _non_empty(chunk: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    if len(chunk):
        yield chunk


def _expect_images(batch: NDArray[np.float32], expected: Signature, where: object) -> None:
    sizes = expected.image_shape
    fits = batch.ndim == len(sizes) + 1 and all(
        size in {None, found} for size, found in zip(sizes, batch.shape[1:], strict=True)
    )
    if not fits or batch.dtype != np.float32:
        wanted = ", ".join("?" if size is None else str(size) for size in sizes)
        raise DataError(
            f"float32 calibration images of shape ({wanted})",
            f"{batch.dtype} of shape {batch.shape[1:]}",
            where=where,
            remedy="Check the model's preprocessing: size, channels and layout.",
        )
