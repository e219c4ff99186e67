"""Flags of the commands that are fed training images, and what they become."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress_onnx.cli.arguments.shared import preprocessing_of
from compress_onnx.options import CALIBRATION_SIZE, SEED

if TYPE_CHECKING:
    from compress_onnx.steps import CalibrationData


def calibration_data(
    model: Path, data: str, *, exclude: str, size: int, seed: int, normalization: dict[str, str]
) -> CalibrationData:
    """Return the calibration data that flags describe.

    The test split of named data is excluded unless ``exclude`` names other images.
    ``normalization`` holds the texts of --mean, --std, --size and --layout.
    """
    from compress_onnx.data import load_data
    from compress_onnx.steps import CalibrationData, excluded_by_default

    CALIBRATION_SIZE.check(size)
    SEED.check(seed)
    exclude = exclude or excluded_by_default(data)
    return CalibrationData(
        training=load_data(data),
        evaluation=load_data(exclude) if exclude else None,
        size=size,
        seed=seed,
        preprocessing=preprocessing_of(model, **normalization),
    )
