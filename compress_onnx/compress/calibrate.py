"""Quantisation ranges from calibration images, fed to ONNX Runtime's calibrators in chunks."""

from __future__ import annotations

import itertools
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

from compress_onnx.errors import DataError

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
    """
    calibrator = create_calibrator(
        model,
        augmented_model_path=str(scratch / "instrumented.onnx"),
        calibrate_method=METHODS[method],
    )
    for batch in _checked(batches):
        calibrator.collect_data(_Chunk(input_name, [batch]))
    return calibrator.compute_data()


def _checked(batches: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    stream = iter(batches)
    first = next(stream, None)
    if first is None or not len(first):
        raise DataError("at least one calibration image", "none", remedy="Name a data set with --data.")
    for batch in itertools.chain([first], stream):
        if not np.isfinite(batch).all():
            raise DataError("finite calibration inputs", "NaN or infinity", remedy="Check mean and std.")
        yield batch
