"""Quantize a file on calibration images that are named in a manifest and never evaluated."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compare import CalibrationChoice, beside, calibration_for, check_input, is_filed
from compress_onnx.compress import QuantizeOptions, mixed_model, quantize_model, repaired_int4
from compress_onnx.data import ImageSet, save_manifest
from compress_onnx.errors import ModelError, naming
from compress_onnx.files import sha256_of
from compress_onnx.model import made_from, read_embedded, read_model, save_model, signature_of
from compress_onnx.options import MAX_DROP, Progress, silent
from compress_onnx.records import Preprocessing

# Pictures decoded at once; the calibrators cut their own chunks.
BATCH = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibrationData:
    """What calibrates: ``size`` images of ``training``, none of which is in ``evaluation``.

    ``preprocessing`` serves a foreign model without metadata; ``max_drop`` is the accuracy that
    mixed weights may lose on these images; ``repairs`` says whether they repair 4-bit weights.
    """

    training: ImageSet
    evaluation: ImageSet | None
    size: int
    seed: int
    preprocessing: Preprocessing | None = None
    max_drop: float = MAX_DROP.default
    repairs: bool = True


def quantize_file(
    source: Path,
    target: Path,
    options: QuantizeOptions,
    *,
    data: CalibrationData,
    progress: Progress = silent,
) -> str:
    """Quantize ``source`` into ``target`` and return the calibration manifest's name.

    A manifest that no ``calibration/`` folder holds is written beside ``target``.

    Errors
    ------
    ModelError
        if the model cannot be quantized or says nothing about its preprocessing.
    DataError
        if the images do not fit, or would be evaluated too.
    """
    read = read_model(source)
    model = read.proto
    images = prepared_data(model, data, where=source)
    choice, known = images.choice, images.preprocessing
    named = dataclasses.replace(options, calibration=choice.info.sha256, cache_key=cache_key(choice, known))
    feed = functools.partial(calibration_batches, choice, known, progress)
    with naming(source):
        if options.weights == "mixed":
            quantized = mixed_model(model, feed, named, labels=choice.images.labels, max_drop=data.max_drop)
        elif options.weights == "int4" and data.repairs:
            quantized = repaired_int4(model, feed, named, where=source)
        else:
            quantized = quantize_model(model, feed(), named, where=source)
    save_model(made_from(quantized, read.sha256), target)
    if not is_filed(choice.manifest):
        save_manifest(beside(target), choice.manifest)
    return choice.manifest.name


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedData:
    """Chosen calibration images and how the model at hand sees them."""

    choice: CalibrationChoice
    preprocessing: Preprocessing


def prepared_data(model: onnx.ModelProto, data: CalibrationData, *, where: Path) -> PreparedData:
    """Choose calibration images for a model, by its own preprocessing, else by that of ``data``.

    Errors
    ------
    ModelError
        if neither says anything about preprocessing, or it does not fit the model's input.
    DataError
        if the images do not fit, or would be evaluated too.
    """
    known = read_embedded(model, where=where).preprocessing or data.preprocessing
    if known is None:
        raise ModelError(
            "preprocessing in the model's metadata", "none", where=where, remedy="Give it with --mean and --std."
        )
    check_input(known, signature_of(model, where=where), where)
    choice = calibration_for(data.training, data.size, seed=data.seed, evaluation=data.evaluation)
    return PreparedData(choice=choice, preprocessing=known)


def cache_key(choice: CalibrationChoice, preprocessing: Preprocessing) -> str:
    """Return what tells these images in this form from any others, for ranges kept in the cache."""
    return sha256_of(choice.info.sha256.encode(), repr(preprocessing).encode())


def calibration_batches(
    choice: CalibrationChoice, preprocessing: Preprocessing, progress: Progress = silent
) -> Iterator[NDArray[np.float32]]:
    """Yield the chosen images as model inputs, in batches of bounded size."""
    total = len(choice.images)
    for number, batch in enumerate(choice.images.batches(preprocessing, BATCH), start=1):
        yield batch
        progress(min(1.0, number * BATCH / total), f"{total} calibration images")
