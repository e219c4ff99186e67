"""Quantisation ranges from calibration images, fed to ONNX Runtime's calibrators in chunks."""

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
    TensorsData,
    create_calibrator,
)

from compress_onnx.compress.failures import runtime_failures
from compress_onnx.errors import DataError, ModelError
from compress_onnx.graph import Signature

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}


class _Chunk(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """The batches of one chunk, as ONNX Runtime's calibrators ask for them."""

    def __init__(self, input_name: str, batches: Iterable[NDArray[np.float32]]) -> None:
        self._feeds = iter([{input_name: batch} for batch in batches])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next feed, or ``None`` at the end."""
        return next(self._feeds, None)


def ranges(
    model: Path, input_name: str, batches: Iterable[NDArray[np.float32]], *, method: str, scratch: Path
) -> TensorsData:
    """Return the range of every activation in a model file over all batches.

    ``batches`` are inputs (B, C, H, W) float32. The calibrators keep every intermediate output of
    what they are fed at once, so they are fed one batch at a time: memory does not grow with the
    number of images. ``scratch`` is a folder for the instrumented model.

    Errors
    ------
    DataError
        if there are no batches, or one holds NaN or infinity.
    ModelError
        if ONNX Runtime cannot run the model on them, or an activation is NaN or infinite.
    """
    with _on_the_model():
        calibrator = create_calibrator(
            model,
            augmented_model_path=str(scratch / "instrumented.onnx"),
            calibrate_method=METHODS[method],
        )
    for batch in _checked(batches):
        with _on_the_model():
            calibrator.collect_data(_Chunk(input_name, [batch]))
    with _on_the_model():
        found = calibrator.compute_data()
    _expect_finite(found)
    return found


@contextlib.contextmanager
def _on_the_model() -> Iterator[None]:
    """Say the calibrators' failures in one sentence, and keep their chatter off stdout.

    NaN ranges are looked for afterwards, so NumPy need not warn of them; a histogram of NaN is a ``ValueError``.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", RuntimeWarning)
        with runtime_failures("a model that runs on the calibration images", where="calibration"):
            try:
                yield
            except ValueError as error:
                raise ModelError("activations that have a range", str(error), where="calibration") from error


def _expect_finite(found: TensorsData) -> None:
    for name, tensor in found.items():
        if not np.isfinite(np.asarray(tensor.range_value, dtype=np.float64)).all():
            raise ModelError(
                "finite activations",
                f"NaN or infinity in {name!r}",
                where="calibration",
                remedy="Check the model's weights and the preprocessing.",
            )


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
    """Yield the batches in the batch size that the model takes.

    A model of fixed batch is fed slices of that size, the last one filled up by repeating its
    images, which moves no minimum and no maximum.

    Errors
    ------
    DataError
        if a batch is not float32 or its images have another shape than the model's input.
    """
    for batch in batches:
        _expect_images(batch, expected, where)
        size = expected.fixed_batch or len(batch)
        for start in range(0, len(batch), size or 1):
            part = batch[start : start + size]
            yield part if len(part) == size else np.resize(part, (size, *part.shape[1:]))


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
