"""One comparison in memory, stage by stage: predict, measure, attribute, time. Only :mod:`compare.run` writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.comparison.calibration import manifests_of
from compress_onnx.comparison.cross_cpu import cross_cpu, other_cpu
from compress_onnx.comparison.job import Job, run_record
from compress_onnx.comparison.models import (
    EvaluatedModel,
    class_names_for,
    evaluated_models,
    expect_unchanged,
)
from compress_onnx.comparison.options import NO_SALIENCY, CompareOptions
from compress_onnx.comparison.plugin_measures import plugin_measures
from compress_onnx.comparison.predictions import predicted
from compress_onnx.comparison.run import RunResults, save_new
from compress_onnx.comparison.saliency import CandidateSaliency, baseline_saliency, saliency_against
from compress_onnx.comparison.samples import sample_columns, shown_pictures, shown_rows
from compress_onnx.comparison.timing import time_models
from compress_onnx.data import (
    IN_MEMORY_BYTES,
    DecodedImages,
    ImageSet,
    check_disjoint,
    content_key,
    decoded_once,
    kept_hashes,
    mapped,
)
from compress_onnx.errors import DataError, OptionError
from compress_onnx.metrics import LogitPair, compare_outputs
from compress_onnx.model import footprint
from compress_onnx.options import Stages, silent_stages
from compress_onnx.records import (
    Comparison,
    DatasetInfo,
    Footprint,
    PredictionRun,
    Predictions,
    RunRecord,
    SaliencyMaps,
    SaliencyShift,
)
from compress_onnx.runtime import fusion_receipt, memory_after_load


def compare_models(job: Job, *, stages: Stages = silent_stages) -> RunRecord:
    """Compare the candidates with the baseline and write the run's folder.

    Errors
    ------
    ModelError, DataError, OptionError
        as of :func:`compared`.
    OutputError
        if the folder cannot be written.
    """
    if job.folder is None:
        raise OptionError("a folder to write the run into", "none")
    return save_new(compared(job, stages=stages), job.folder).record


def compared(job: Job, *, stages: Stages = silent_stages) -> RunResults:
    """Compare the candidates with the baseline, in memory.

    Errors
    ------
    ModelError, DataError
        if a model or the images do not fit, a model is written to meanwhile, or an image that calibrated is
        evaluated.
    OptionError
        if there is no candidate.
    """
    if len(job.models) < 2:
        raise OptionError("a baseline and at least one candidate", f"{len(job.models)} model")
    # Asked first: a board that cannot be reached is known before an hour of work.
    other = None if job.options.target is None else other_cpu(job.options.target, job.options)
    models = evaluated_models(
        job.models, job.images, fallback=job.options.preprocessing or job.images.own_form, folder=job.folder
    )
    if other is not None:
        for evaluated in models:
            other.expect_predictions(evaluated)
    if job.manifests is None:
        job = dataclasses.replace(job, manifests=manifests_of(evaluated.model for evaluated in models))
    images = job.images.seen_by(models[0].preprocessing)
    with decoded_once(images, [evaluated.preprocessing for evaluated in models]) as decoded:
        stage = _Stages(models=models, images=decoded, job=job, stages=stages)
        outputs = _outputs(stage)
        stage = dataclasses.replace(stage, models=outputs.models)
        measured = _measured(stage, outputs)
        nothing = [None] * (len(models) - 1)
        plan = job.options.latency
        timings = nothing if plan is None else time_models(outputs.models, decoded, plan, job.options.seed, stages)
        crossings = cross_cpu(other, outputs.models, decoded, outputs.predictions, stages=stages) if other else nothing
        expect_unchanged(models)
    comparisons = tuple(
        dataclasses.replace(of, latency=latency, cross_cpu=crossing)
        for of, latency, crossing in zip(measured.comparisons, timings, crossings, strict=True)
    )
    return RunResults(
        record=run_record(
            job, outputs.models, comparisons, runs=outputs.runs, dataset=_named_dataset(images, outputs.baseline)
        ),
        predictions=outputs.predictions,
        columns=measured.columns,
        pictures=measured.pictures,
        saliency=measured.saliency,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stages:
    """A job under way: its models and its images, decoded once."""

    models: tuple[EvaluatedModel, ...]
    images: DecodedImages
    job: Job
    stages: Stages


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Outputs:
    """What the models predict, by name, and how that came about; ``shown`` has each candidate's rows to show.

    ``content`` (N,) are the hashes of the pictures; ``models`` are the models, now with the images per call
    that their predictions ask for.
    """

    models: tuple[EvaluatedModel, ...]
    predictions: Mapping[str, Predictions]
    content: NDArray[np.str_]
    shown: tuple[NDArray[np.int64], ...]
    runs: tuple[PredictionRun, ...]

    @property
    def baseline(self) -> Predictions:
        """What the baseline predicts."""
        return self.predictions[self.models[0].name]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measured:
    """What was measured of every candidate, its columns of samples, and the pictures to show."""

    comparisons: list[Comparison] = dataclasses.field(default_factory=list)
    columns: list[Mapping[str, NDArray[Any]]] = dataclasses.field(default_factory=list)
    pictures: dict[tuple[str, str], bytes] = dataclasses.field(default_factory=dict)
    saliency: dict[str, SaliencyMaps] = dataclasses.field(default_factory=dict)


def _outputs(stage: _Stages) -> _Outputs:
    """Let every model predict."""
    models, predictions, shown, runs = [], {}, [], []
    options, images, held = stage.job.options, stage.images, 0
    for evaluated in stage.models:
        output = predicted(evaluated, images, options, stage.stages(f"predict {evaluated.name}"))
        held += output.predictions.logits.nbytes
        predictions[evaluated.name] = output.predictions if held <= IN_MEMORY_BYTES else _on_disk(output.predictions)
        runs.append(output.run)
        models.append(_in_calls(evaluated, output.run))
        if evaluated is stage.models[0]:
            # The first model has decoded all pictures; the others need not be asked if they cannot be judged.
            content = _checked_content(stage)
        else:
            pair = _pair(predictions[stage.models[0].name], output.predictions, images.images)
            shown.append(shown_rows(pair, options.pictures))
    return _Outputs(
        models=tuple(models), predictions=predictions, content=content, shown=tuple(shown), runs=tuple(runs)
    )


def _on_disk(predictions: Predictions) -> Predictions:
    return dataclasses.replace(predictions, logits=mapped(predictions.logits))


def _in_calls(evaluated: EvaluatedModel, run: PredictionRun) -> EvaluatedModel:
    """Return the model with the images per call that whoever asks it again has to keep to."""
    return dataclasses.replace(evaluated, call_batch=run.independence.predicted_batch if run.independence else None)


def _checked_content(stage: _Stages) -> NDArray[np.str_]:
    """Return the hashes of the pictures, after checking that none of them calibrated a candidate."""
    images = stage.images.images
    key = content_key(images.info.sha256) if stage.job.options.cache else None
    content = kept_hashes(key, stage.images.content_hashes, n=len(images))
    for manifest in stage.job.manifests or ():
        check_disjoint(manifest, set(content.tolist()), where=f"{images.info.name}:{images.info.split}")
    return content


def _measured(stage: _Stages, outputs: _Outputs) -> _Measured:
    """Compare each candidate with the baseline; of its maps only what is shown is kept."""
    baseline, images, options = stage.models[0], stage.images.images, stage.job.options
    sized, measured = stage.images.sized(baseline.preprocessing), _Measured()
    explained = None
    if options.saliency != NO_SALIENCY:
        explained = baseline_saliency(baseline, outputs.baseline, sized, options=options, stages=stage.stages)
    for candidate, shown in zip(stage.models[1:], outputs.shown, strict=True):
        pair = _pair(outputs.baseline, outputs.predictions[candidate.name], images)
        shift = CandidateSaliency(shift=None, deviation=np.full(pair.n, np.nan, dtype=np.float32), maps={})
        if explained is not None:
            shift = saliency_against(explained, candidate, pair, shown=shown, stages=stage.stages)
        if shift.study is not None:
            measured.saliency[candidate.name] = shift.study
        columns = sample_columns(candidate.name, images.sample_ids, pair, deviation=shift.deviation)
        measured.columns.append(columns | {"content_sha256": outputs.content})
        measured.pictures.update(shown_pictures(shown, sized, shift.maps, preprocessing=baseline.preprocessing))
        measured.comparisons.append(_comparison(candidate, baseline, pair, shift.shift, options))
    return measured


def _pair(before: Predictions, after: Predictions, images: ImageSet) -> LogitPair:
    classes = before.logits.shape[1]
    names = class_names_for(images.info.class_names, classes)
    if len(names) != classes:
        raise DataError(
            f"a model with {len(names)} classes, as {images.info.name} has",
            f"{classes} classes",
            remedy="Use the data set the model was trained for.",
        )
    return LogitPair(labels=before.labels, baseline=before.logits, candidate=after.logits, class_names=names)


def _comparison(
    candidate: EvaluatedModel,
    baseline: EvaluatedModel,
    pair: LogitPair,
    shift: SaliencyShift | None,
    options: CompareOptions,
) -> Comparison:
    outputs = compare_outputs(pair, seed=options.seed)
    # The fields of OutputComparison are fields of Comparison.
    measured: dict[str, Any] = {field.name: getattr(outputs, field.name) for field in dataclasses.fields(outputs)}
    return Comparison(
        baseline_sha256=baseline.artifact.sha256,
        candidate_sha256=candidate.artifact.sha256,
        candidate_name=candidate.name,
        saliency=shift,
        latency=None,
        footprint_baseline=_footprint(baseline, options),
        footprint_candidate=_footprint(candidate, options),
        fusion=fusion_receipt(candidate.model),
        extra=plugin_measures(pair),
        **measured,
    )


def _footprint(evaluated: EvaluatedModel, options: CompareOptions) -> Footprint:
    size, plan = footprint(evaluated.artifact), options.latency
    if plan is None:
        return size
    return dataclasses.replace(size, resident=memory_after_load(evaluated.model, threads=plan.threads))


def _named_dataset(images: ImageSet, predictions: Predictions) -> DatasetInfo:
    names = images.info.class_names
    return dataclasses.replace(images.info, class_names=names and class_names_for(names, predictions.logits.shape[1]))
