"""Quantize a model on calibration images that are named in a manifest and never evaluated."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compare import SIDECAR, CalibrationChoice, calibration_for, check_input, is_filed
from compress_onnx.compress import QuantizeOptions, mixed_model, quantize_model, repaired_int4
from compress_onnx.data import CalibrationManifest, ImageSet, manifest_text
from compress_onnx.errors import ModelError, naming
from compress_onnx.extension_points import datasets
from compress_onnx.files import sha256_of
from compress_onnx.model import Model, ModelSource, made_from, made_model
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


def excluded_by_default(data: object) -> str:
    """Return the images that must not calibrate unless others are named: the test split of named training data.

    >>> excluded_by_default("digits:train"), excluded_by_default("photos/train")
    ('digits:test', '')
    """
    name, _, split = data.partition(":") if isinstance(data, str) else ("", "", "")
    return f"{name}:test" if split == "train" and name in datasets() else ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantized:
    """A quantized model, and the manifest of the images that calibrated it."""

    model: Model
    manifest: CalibrationManifest


def quantized(
    source: ModelSource, options: QuantizeOptions, *, data: CalibrationData, progress: Progress = silent
) -> Quantized:
    """Quantize a model. A manifest that no ``calibration/`` folder holds is saved beside it.

    Errors
    ------
    ModelError
        if the model cannot be quantized or says nothing about its preprocessing.
    DataError
        if the images do not fit, or would be evaluated too.
    """
    model = Model.of(source)
    images = prepared_data(model, data)
    choice, form = images.choice, images.preprocessing
    named = dataclasses.replace(options, calibration=choice.info.sha256, cache_key=cache_key(choice, form))
    feed = functools.partial(calibration_batches, choice, form, progress)
    with naming(model.where):
        if options.weights == "mixed":
            graph = mixed_model(model.proto, feed, named, labels=choice.images.labels, max_drop=data.max_drop)
        elif options.weights == "int4" and data.repairs:
            graph = repaired_int4(model.proto, feed, named, where=model.where)
        else:
            graph = quantize_model(model.proto, feed(), named, where=model.where)
    return Quantized(model=calibrated(made_from(graph, model.sha256), model, choice), manifest=choice.manifest)


def calibrated(graph: onnx.ModelProto, source: Model, choice: CalibrationChoice) -> Model:
    """Return what a step made of a model on calibration images, with their manifest where no folder holds it."""
    filed = is_filed(choice.manifest)
    sidecars = {} if filed else {SIDECAR: manifest_text(choice.manifest)}
    return made_model(graph, name=source.where.stem, sidecars=sidecars)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedData:
    """Chosen calibration images and how the model at hand sees them."""

    choice: CalibrationChoice
    preprocessing: Preprocessing


def prepared_data(model: Model, data: CalibrationData) -> PreparedData:
    """Choose calibration images for a model, by its own preprocessing, else by that of ``data``.

    Errors
    ------
    ModelError
        if neither says anything about preprocessing, or it does not fit the model's input.
    DataError
        if the images do not fit, or would be evaluated too.
    """
    form = model.embedded.preprocessing or data.preprocessing or data.training.own_form
    if form is None:
        raise ModelError(
            "preprocessing in the model's metadata", "none", where=model.where, remedy="Give it with --mean and --std."
        )
    check_input(form, model.signature, model.where)
    choice = calibration_for(data.training.seen_by(form), data.size, seed=data.seed, evaluation=data.evaluation)
    return PreparedData(choice=choice, preprocessing=form)


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
