"""Prune a model, by weights or by channels; repair it, and search how much it bears."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress import (
    Batches,
    PruneOptions,
    Reference,
    StructuredOptions,
    expect_finite_outputs,
    made_images,
    prune_model,
    referenced,
    repair_model,
    structured_pruned,
)
from compress_onnx.errors import DataError, OptionError, naming
from compress_onnx.metrics import PairedCounts, paired_counts
from compress_onnx.model import Model, ModelSource, descended, made_from, made_model, model_bytes
from compress_onnx.options import Progress, silent
from compress_onnx.ort import open_session
from compress_onnx.runtime import logits_of
from compress_onnx.steps.quantization import (
    CalibrationData,
    PreparedData,
    calibrated,
    calibration_batches,
    prepared_data,
)
from compress_onnx.steps.search import Searched, confirmed_sparsity


def pruned(
    source: ModelSource,
    options: PruneOptions | StructuredOptions,
    *,
    data: CalibrationData | None,
    progress: Progress = silent,
) -> Model:
    """Prune a model; with ``data`` the result is repaired.

    After structured pruning only BatchNorms can be repaired.

    Errors
    ------
    ModelError, DataError, OptionError
        as the steps.
    """
    model = Model.of(source)
    if data is None:
        with naming(model.where):
            graph = _pruned(model.proto, options, where=model.where)
            expect_finite_outputs(model.proto, graph, made_images(model.proto))
        return made_model(made_from(graph, model.sha256), name=model.where.stem)
    images = prepared_data(model, data)
    with naming(model.where), referenced(model.proto, _feed(images)) as reference:
        graph = pruned_and_repaired(reference, options, images, progress=progress)
        expect_finite_outputs(model.proto, graph, reference.pool.first)
    return calibrated(made_from(graph, model.sha256), model, images.choice)


def _feed(images: PreparedData) -> Batches:
    return functools.partial(calibration_batches, images.choice, images.preprocessing)


def _pruned(model: onnx.ModelProto, options: PruneOptions | StructuredOptions, where: object = "") -> onnx.ModelProto:
    if isinstance(options, StructuredOptions):
        return structured_pruned(model, options, where=where)
    return prune_model(model, options, where=where)


def pruned_and_repaired(
    reference: Reference,
    options: PruneOptions | StructuredOptions,
    images: PreparedData,
    *,
    progress: Progress = silent,
) -> onnx.ModelProto:
    """Return the reference's model pruned and repaired on the calibration images, which are the reference's."""
    if isinstance(options, PruneOptions) and options.basis == "folded":
        raise OptionError("--basis unfolded with repair", "folded", remedy="Give --repair none, or the other basis.")
    pruned = _pruned(reference.given, options)
    return repair_model(reference, pruned, calibration=images.choice.info.sha256, progress=progress)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search does: ``options`` but for the sparsity, with or without repair; ``seed`` halves the images."""

    options: PruneOptions
    max_drop: float
    repairs: bool
    seed: int

    def candidate(self, reference: Reference, sparsity: float, images: PreparedData) -> onnx.ModelProto:
        """Return the reference's model at one sparsity."""
        options = dataclasses.replace(self.options, sparsity=sparsity)
        return (
            pruned_and_repaired(reference, options, images) if self.repairs else prune_model(reference.given, options)
        )


def searched(
    source: ModelSource, job: Search, *, data: CalibrationData, progress: Progress = silent
) -> tuple[Model, Searched]:
    """Prune a model as far as its accuracy on labeled calibration images bears, and say what was found.

    Errors
    ------
    DataError
        if the images have no labels.
    """
    model = Model.of(source)
    images = prepared_data(model, data)
    with naming(model.where), referenced(model.proto, _feed(images)) as reference:
        graph, outcome = searched_model(reference, job, images=images, where=model.where, progress=progress)
        expect_finite_outputs(model.proto, graph, reference.pool.first)
    return calibrated(made_from(graph, model.sha256), model, images.choice), outcome


def searched_model(
    reference: Reference, job: Search, *, images: PreparedData, where: object = "", progress: Progress = silent
) -> tuple[onnx.ModelProto, Searched]:
    """Return the reference's model pruned as far as its accuracy on labeled images bears, and what was found.

    Half of the images search, the other half confirms; the repair sees all of them, without labels.

    Errors
    ------
    DataError
        if the images have no labels.
    """
    labels = images.choice.images.labels
    if labels is None:
        raise DataError("labeled calibration images, since the search measures accuracy", "no labels", where=where)
    base = _correct(reference.model, images, labels)
    steps = 0

    def counts_at(sparsity: float, rows: NDArray[np.int64]) -> PairedCounts:
        nonlocal steps
        steps += 1
        # Bisection over 198 sparsities takes 8 steps, and a few more confirm.
        progress(min(1.0, steps / 10), f"sparsity {sparsity:g}")
        return paired_counts(base[rows], correct_at(sparsity)[rows])

    @functools.cache
    def candidate_at(sparsity: float) -> onnx.ModelProto:
        return job.candidate(reference, sparsity, images)

    @functools.cache
    def correct_at(sparsity: float) -> NDArray[np.bool_]:
        return _correct(candidate_at(sparsity), images, labels)

    rng = np.random.default_rng(job.seed)
    found = confirmed_sparsity(counts_at, len(labels), max_drop=job.max_drop, rng=rng)
    return _with_search(candidate_at(found.sparsity), found, job.max_drop), found


def _correct(model: onnx.ModelProto, images: PreparedData, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    session = open_session(model_bytes(model))
    logits = logits_of(session, _feed(images)())
    return np.asarray(logits.argmax(axis=1) == labels)


def _with_search(model: onnx.ModelProto, found: Searched, max_drop: float) -> onnx.ModelProto:
    facts = dataclasses.asdict(found) | {"max_drop": max_drop, "tried": [float(sparsity) for sparsity in found.tried]}
    return descended(model, model, "search", facts)
