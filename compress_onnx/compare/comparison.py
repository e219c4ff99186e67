"""A comparison from models and images to a record: predict, measure, attribute, time, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compare.calibration import calibration_info
from compress_onnx.compare.cross_cpu import crossed, other_cpu
from compress_onnx.compare.models import Contestant, Entry, class_names_for, contestants, expect_untouched
from compress_onnx.compare.options import CompareOptions
from compress_onnx.compare.plugin_measures import plugin_measure
from compress_onnx.compare.predictions import answer_of
from compress_onnx.compare.saliency import attention_against, baseline_attention
from compress_onnx.compare.samples import sample_columns, shown_pictures, shown_rows
from compress_onnx.compare.timing import time_contestants
from compress_onnx.data import (
    CalibrationManifest,
    DecodedImages,
    ImageSet,
    check_disjoint,
    content_key,
    decoded_once,
    kept_hashes,
)
from compress_onnx.errors import DataError, OptionError
from compress_onnx.extension_points import metrics as plugin_metrics
from compress_onnx.files import filled_whole
from compress_onnx.metrics import LogitPair, compare_outputs
from compress_onnx.model import footprint
from compress_onnx.options import Stages, silent_stages
from compress_onnx.records import (
    SCHEMA_VERSION,
    Artifact,
    Comparison,
    DatasetInfo,
    Footprint,
    FusionReceipt,
    Measure,
    PredictionRun,
    Predictions,
    RunRecord,
    SaliencyShift,
)
from compress_onnx.report import batch_warnings
from compress_onnx.runtime import environment, fusion_receipt, resident_after_load
from compress_onnx.store import (
    load_predictions,
    pictures_written,
    samples_written,
    save_predictions,
    save_run,
    save_saliency_maps,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A comparison to be made: ``entries`` baseline first; results go into ``folder``.

    ``started_at`` is the local time; ``command`` the words that reproduce the run; ``manifests`` name
    the images that calibrated the candidates, none of which may be evaluated.
    """

    entries: Sequence[Entry]
    images: ImageSet
    options: CompareOptions
    folder: Path
    command: tuple[str, ...]
    started_at: datetime
    manifests: Sequence[CalibrationManifest] = ()


def compare_models(job: Job, *, stages: Stages = silent_stages) -> RunRecord:
    """Compare the candidates with the baseline and write the run's folder.

    Writes ``predictions/``, ``samples.parquet``, ``pictures.parquet`` and, last, ``run.json``.

    Errors
    ------
    ModelError, DataError
        if a model or the images do not fit, a file is written to meanwhile, or an image that calibrated is
        evaluated.
    OptionError
        if there is no candidate.
    """
    if len(job.entries) < 2:
        raise OptionError("a baseline and at least one candidate", f"{len(job.entries)} model")
    # Asked first: a board that cannot be reached is known before an hour of work.
    other = other_cpu(job.images, job.options)
    parties = contestants(job.entries, job.images, fallback=job.options.preprocessing, folder=job.folder)
    if other is not None:
        for party in parties:
            other.there.expect_answers(party.path)
    # One candidate at a time: what is kept of it is its part of the record and the rows it shows.
    forms = [party.preprocessing for party in parties]
    with filled_whole(job.folder) as folder, decoded_once(job.images, forms) as decoded:
        run = _Run(parties=parties, images=decoded, job=job, folder=folder, stages=stages)
        answered = _answered(run)
        parties = answered.parties
        found = _findings(run, answered)
        timings = time_contestants(parties, job.images, job.options, stages=stages)
        crossings = crossed(other, parties, lambda party: _answer_in(folder, party), stages=stages)
        expect_untouched(parties)
    comparisons = tuple(
        dataclasses.replace(of, latency=latency, cross_cpu=crossing)
        for of, latency, crossing in zip(found, timings, crossings, strict=True)
    )
    record = RunRecord(
        schema_version=SCHEMA_VERSION,
        run_id=f"{job.started_at:%Y%m%d-%H%M%S}-{parties[0].name}",
        started_at=job.started_at.isoformat(timespec="seconds"),
        command=job.command,
        config=job.options.recorded(),
        environment=environment(),
        dataset=_named_dataset(job.images, answered.baseline),
        preprocessing=parties[0].preprocessing,
        calibration=calibration_info(job.manifests[0]) if job.manifests else None,
        artifacts=_with_warnings(parties, comparisons, answered.runs),
        comparisons=comparisons,
        verdict=None,
        predicted=answered.runs,
    )
    save_run(record, job.folder)
    return record


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answered:
    """The baseline's predictions; the candidates' are in the folder. ``shown`` has each candidate's rows to show.

    ``content`` (N,) are the hashes of the pictures; ``parties`` are the contestants, now with the images per call
    that their answers ask for.
    """

    parties: tuple[Contestant, ...]
    baseline: Predictions
    content: NDArray[np.str_]
    shown: tuple[NDArray[np.int64], ...]
    runs: tuple[PredictionRun, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """A job under way: its models, its images decoded once, and where its files wait until all are there."""

    parties: Sequence[Contestant]
    images: DecodedImages
    job: Job
    folder: Path
    stages: Stages


def _answered(run: _Run) -> _Answered:
    """Ask every model and write its predictions."""
    parties, shown, runs, options = [], [], [], run.job.options
    for party in run.parties:
        answer = answer_of(party, run.images, options, run.stages(f"predict {party.name}"))
        save_predictions(answer.predictions, _predictions_file(run.folder, party))
        runs.append(answer.run)
        parties.append(_as_asked(party, answer.run))
        if party is run.parties[0]:
            baseline = answer.predictions
            # The first model has decoded all pictures; the others need not be asked if they cannot be judged.
            content = _checked_content(run)
        else:
            shown.append(shown_rows(_pair(baseline, answer.predictions, run.job.images), options.pictures))
    return _Answered(parties=tuple(parties), baseline=baseline, content=content, shown=tuple(shown), runs=tuple(runs))


def _as_asked(party: Contestant, run: PredictionRun) -> Contestant:
    """Return the contestant with the images per call that whoever asks it again has to keep to."""
    return dataclasses.replace(party, call_batch=run.independence.predicted_batch if run.independence else None)


def _checked_content(run: _Run) -> NDArray[np.str_]:
    """Return the hashes of the pictures, after checking that none of them calibrated a candidate."""
    images = run.job.images
    key = content_key(images.info.sha256) if run.job.options.cache else None
    content = kept_hashes(key, run.images.content_hashes, n=len(images))
    for manifest in run.job.manifests:
        check_disjoint(manifest, set(content.tolist()), where=f"{images.info.name}:{images.info.split}")
    return content


def _named_dataset(images: ImageSet, predictions: Predictions) -> DatasetInfo:
    names = images.info.class_names
    return dataclasses.replace(images.info, class_names=names and class_names_for(names, predictions.logits.shape[1]))


def _predictions_file(folder: Path, party: Contestant) -> Path:
    return folder / "predictions" / f"{party.name}.npz"


def _answer_in(folder: Path, party: Contestant) -> Predictions:
    return load_predictions(_predictions_file(folder, party))


def _findings(run: _Run, answered: _Answered) -> list[Comparison]:
    """Compare each candidate with the baseline and write its samples and pictures."""
    baseline, images, options, stages = answered.parties[0], run.job.images, run.job.options, run.stages
    form, found = baseline.preprocessing, []
    sized = run.images.sized(form)
    attention = baseline_attention(baseline, answered.baseline, sized, options=options, stages=stages)
    with samples_written(run.folder) as write_samples, pictures_written(run.folder) as write_pictures:
        for party, shown in zip(answered.parties[1:], answered.shown, strict=True):
            pair = _pair(answered.baseline, _answer_in(run.folder, party), images)
            moved = attention_against(attention, party, pair, shown=shown, stages=stages)
            if moved.study is not None:
                save_saliency_maps(moved.study, run.folder, party.name)
            columns = sample_columns(party.name, images.sample_ids, pair, deviation=moved.deviation)
            write_samples(columns | {"content_sha256": answered.content})
            write_pictures(shown_pictures(shown, sized, moved.maps, preprocessing=form))
            found.append(_comparison(party, baseline, pair, moved.shift, run.job))
    return found


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
    candidate: Contestant, baseline: Contestant, pair: LogitPair, shift: SaliencyShift | None, job: Job
) -> Comparison:
    outputs = compare_outputs(pair, seed=job.options.seed)
    # The fields of OutputComparison are fields of Comparison.
    measured: dict[str, Any] = {field.name: getattr(outputs, field.name) for field in dataclasses.fields(outputs)}
    return Comparison(
        baseline_sha256=baseline.artifact.sha256,
        candidate_sha256=candidate.artifact.sha256,
        candidate_name=candidate.name,
        saliency=shift,
        latency=None,
        footprint_baseline=_footprint(baseline, job),
        footprint_candidate=_footprint(candidate, job),
        fusion=fusion_receipt(candidate.path),
        extra=_plugin_measures(pair),
        **measured,
    )


def _footprint(party: Contestant, job: Job) -> Footprint:
    found, plan = footprint(party.artifact), job.options.latency
    if plan is None:
        return found
    return dataclasses.replace(found, resident=resident_after_load(party.path, threads=plan.threads))


def _plugin_measures(pair: LogitPair) -> dict[str, Measure]:
    registry = plugin_metrics()
    return {name: plugin_measure(name, registry[name], pair) for name in registry.names()}


def _with_warnings(
    parties: Sequence[Contestant], comparisons: Sequence[Comparison], runs: Sequence[PredictionRun]
) -> tuple[Artifact, ...]:
    """Return the artifacts, each with what its reader should be wary of."""
    fusions = [(), *(_fusion_warnings(p.artifact, c.fusion) for p, c in zip(parties[1:], comparisons, strict=True))]
    return tuple(
        dataclasses.replace(
            party.artifact,
            warnings=(
                *party.artifact.warnings,
                *fusion,
                *_input_warnings(party, parties[0]),
                *batch_warnings(run.independence),
            ),
        )
        for party, fusion, run in zip(parties, fusions, runs, strict=True)
    )


def _input_warnings(party: Contestant, baseline: Contestant) -> tuple[str, ...]:
    if party.input_shape == baseline.input_shape:
        return ()
    shapes = [" x ".join(map(str, shape)) for shape in (party.input_shape, baseline.input_shape)]
    return (f"It takes inputs of {shapes[0]}, the baseline of {shapes[1]}: the two are not timed together.",)


def _fusion_warnings(artifact: Artifact, fusion: FusionReceipt | None) -> tuple[str, ...]:
    if fusion is None or artifact.precision.is_float or fusion.int8_fraction == 1.0:
        return ()
    count = len(fusion.float_nodes)
    return (f"{count} of {count + fusion.quantized_nodes} weighted nodes run in floating point on this CPU.",)
