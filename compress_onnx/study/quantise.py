"""Quantise a file on calibration images that are named in a manifest and never evaluated."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compress.quantize import QuantizeOptions, quantize_model
from compress_onnx.config import Progress, silent
from compress_onnx.data.images import ImageSet
from compress_onnx.data.splits import save_manifest
from compress_onnx.errors import ModelError
from compress_onnx.graph import load_model, read_embedded, save_model, signature
from compress_onnx.records import Preprocessing
from compress_onnx.study.calibration import CalibrationChoice, beside, calibration_for, is_filed
from compress_onnx.study.contestants import check_input

# Bounds what the calibrators hold at once: 64 images of ResNet-18's activations are about 0.4 GB.
BATCH = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibrationData:
    """What calibrates: ``size`` images of ``training``, none of which is in ``evaluation``.

    ``preprocessing`` serves a foreign model without metadata.
    """

    training: ImageSet
    evaluation: ImageSet | None
    size: int
    seed: int
    preprocessing: Preprocessing | None = None


def quantise_file(
    source: Path,
    target: Path,
    options: QuantizeOptions,
    *,
    data: CalibrationData,
    progress: Progress = silent,
) -> str:
    """Quantise ``source`` into ``target`` and return the calibration manifest's name.

    A manifest that no ``calibration/`` folder holds is written beside ``target``.

    Errors
    ------
    ModelError
        if the model cannot be quantised or says nothing about its preprocessing.
    DataError
        if the images do not fit, or would be evaluated too.
    """
    model = load_model(source)
    known = read_embedded(model, where=source).preprocessing or data.preprocessing
    if known is None:
        raise ModelError(
            "preprocessing in the model's metadata", "none", where=source, remedy="Give it with --mean and --std."
        )
    check_input(known, signature(model, where=source), source)
    choice = calibration_for(data.training, data.size, seed=data.seed, evaluation=data.evaluation)
    named = dataclasses.replace(options, calibration=choice.info.sha256)
    quantised = quantize_model(model, calibration_batches(choice, known, progress), named, where=source)
    save_model(quantised, target)
    if not is_filed(choice.manifest):
        save_manifest(beside(target), choice.manifest)
    return choice.manifest.name


def calibration_batches(
    choice: CalibrationChoice, preprocessing: Preprocessing, progress: Progress = silent
) -> Iterator[NDArray[np.float32]]:
    """Yield the chosen images as model inputs, in batches of bounded size."""
    total = len(choice.images)
    for number, batch in enumerate(choice.images.batches(preprocessing, BATCH), start=1):
        yield batch
        progress(min(1.0, number * BATCH / total), f"{total} calibration images")
