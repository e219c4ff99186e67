"""Quantization ranges from calibration images, streamed through ONNX Runtime's calibrators in chunks.

The images come in chunks of one size (:mod:`compress_onnx.compress.calibration.image_chunks`). Of each chunk ONNX
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
from compress_onnx.ort import StepSession, runtime_failures

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
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

    ``batches`` are inputs (B, C, H, W) float32, as :func:`~compress_onnx.compress.calibration.image_chunks.fitting` cuts them; each is run and
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
        extremes = calibrator.collector.compute_collection_result()
    return _tensors(method, {name: (low, high) for name, (low, high, *_) in sorted(extremes.items())})


def _tensors(method: str, extremes: dict[str, tuple[np.floating, np.floating]]) -> TensorsData:
    data = {
        name: TensorData(lowest=np.asarray(low), highest=np.asarray(high)) for name, (low, high) in extremes.items()
    }
    return TensorsData(METHODS[method], data)


def _instrumented(model: Path, target: Path) -> HistogramCalibrater:
    """Return the calibrator whose model gives out every activation."""
    calibrator = HistogramCalibrater(model, augmented_model_path=str(target))
    calibrator.augment_graph()
    calibrator.infer_session = StepSession(target, expected=_RUNS, where="calibration").session
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
