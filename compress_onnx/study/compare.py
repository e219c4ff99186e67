"""A comparison from models and images to a record: predict, measure, attribute, time, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compress.footprint import footprint
from compress_onnx.config import Stages, silent_stages
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import DataError, OptionError
from compress_onnx.extension_points import metrics as plugin_metrics
from compress_onnx.metrics import LogitPair, compare_outputs
from compress_onnx.records import (
    SCHEMA_VERSION,
    Artifact,
    CalibrationInfo,
    Comparison,
    Footprint,
    FusionReceipt,
    LatencyComparison,
    Measure,
    Predictions,
    RunRecord,
    SaliencyShift,
)
from compress_onnx.runtime.cpu import environment
from compress_onnx.runtime.fusion import fusion_receipt
from compress_onnx.runtime.latency import measure_latency
from compress_onnx.runtime.predict import Samples, predict
from compress_onnx.runtime.resident import resident_after_load
from compress_onnx.runtime.speedup import compare_latency
from compress_onnx.store import save_pictures, save_predictions, save_run, save_samples
from compress_onnx.study.attention import (
    AttentionShift,
    attention_against,
    baseline_attention,
    explained_samples,
)
from compress_onnx.study.contestants import Contestant, Entry, contestants
from compress_onnx.study.elsewhere import crossed, other_cpu
from compress_onnx.study.options import CompareOptions
from compress_onnx.study.pictures import shown_pictures, shown_rows
from compress_onnx.study.samples import joined, sample_columns


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A comparison to be made: ``entries`` baseline first; results go into ``folder``.

    ``started_at`` is the local time; ``command`` the words that reproduce the run.
    """

    entries: Sequence[Entry]
    images: ImageSet
    options: CompareOptions
    folder: Path
    command: tuple[str, ...]
    started_at: datetime
    calibration: CalibrationInfo | None = None


def compare_models(job: Job, *, stages: Stages = silent_stages) -> RunRecord:
    """Compare the candidates with the baseline and write the run's folder.

    Writes ``predictions/``, ``samples.parquet``, ``pictures.parquet`` and, last, ``run.json``.

    Errors
    ------
    ModelError, DataError
        if a model or the images do not fit.
    OptionError
        if there is no candidate.
    """
    if len(job.entries) < 2:
        raise OptionError("a baseline and at least one candidate", f"{len(job.entries)} model")
    # Asked first: a board that cannot be reached is known before an hour of work.
    other = other_cpu(job.images, job.options)
    parties = contestants(job.entries, job.images, fallback=job.options.preprocessing, folder=job.folder)
    baseline, candidates = parties[0], parties[1:]
    answers = [_predicted(party, job, stages) for party in parties]
    pairs = [_pair(answers[0], answer, job.images) for answer in answers[1:]]
    shifts = _shifts(parties, answers, pairs, job, stages)
    timings = _timed(parties, job, stages)
    crossings = crossed(other, parties, answers, stages=stages)
    findings = [
        _finding(candidate, baseline, pair, shift, job)
        for candidate, pair, shift in zip(candidates, pairs, shifts, strict=True)
    ]
    for party, answer in zip(parties, answers, strict=True):
        save_predictions(answer, job.folder / "predictions" / f"{party.name}.npz")
    save_samples(joined([finding.columns for finding in findings]), job.folder)
    save_pictures(_joined_pictures(findings), job.folder)
    record = RunRecord(
        schema_version=SCHEMA_VERSION,
        run_id=f"{job.started_at:%Y%m%d-%H%M%S}-{baseline.name}",
        started_at=job.started_at.isoformat(timespec="seconds"),
        command=job.command,
        config=job.options.recorded(),
        environment=environment(),
        dataset=job.images.info,
        preprocessing=baseline.preprocessing,
        calibration=job.calibration,
        artifacts=_with_warnings(parties, findings),
        comparisons=tuple(
            dataclasses.replace(finding.comparison, latency=latency, cross_cpu=crossing)
            for finding, latency, crossing in zip(findings, timings, crossings, strict=True)
        ),
        verdict=None,
    )
    save_run(record, job.folder)
    return record


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Finding:
    """One candidate's comparison, its rows for ``samples.parquet`` and the pictures to keep."""

    comparison: Comparison
    columns: dict[str, NDArray[Any]]
    pictures: dict[tuple[str, str], bytes]


def _predicted(contestant: Contestant, job: Job, stages: Stages) -> Predictions:
    images = job.images
    samples = Samples(
        batches=images.batches(contestant.preprocessing),
        ids=images.sample_ids,
        labels=images.labels,
        sha256=images.info.sha256,
    )
    progress = stages(f"predict {contestant.name}")
    return predict(contestant.path, samples, threads=job.options.threads, progress=progress)


def _shifts(
    parties: Sequence[Contestant], answers: Sequence[Predictions], pairs: Sequence[LogitPair], job: Job, stages: Stages
) -> list[AttentionShift]:
    shown = [shown_rows(pair, job.options.pictures) for pair in pairs]
    explained = explained_samples(job.images, job.options.saliency_samples, shown, seed=job.options.seed)
    attention = baseline_attention(parties[0], answers[0], explained, options=job.options, stages=stages)
    return [
        attention_against(attention, party, answer, pair, stages=stages)
        for party, answer, pair in zip(parties[1:], answers[1:], pairs, strict=True)
    ]


def _finding(
    candidate: Contestant, baseline: Contestant, pair: LogitPair, attention: AttentionShift, job: Job
) -> _Finding:
    shown = shown_rows(pair, job.options.pictures)
    return _Finding(
        comparison=_comparison(candidate, baseline, pair, attention.shift, job),
        columns=sample_columns(candidate.name, job.images.sample_ids, pair, deviation=attention.deviation),
        pictures=shown_pictures(shown, job.images, attention.maps, preprocessing=baseline.preprocessing),
    )


def _pair(before: Predictions, after: Predictions, images: ImageSet) -> LogitPair:
    classes = before.logits.shape[1]
    names = images.info.class_names or tuple(str(label) for label in range(classes))
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
    outputs = compare_outputs(pair)
    return Comparison(
        baseline_sha256=baseline.artifact.sha256,
        candidate_sha256=candidate.artifact.sha256,
        candidate_name=candidate.name,
        accuracy=outputs.accuracy,
        flips=outputs.flips,
        classes=outputs.classes,
        confusion=outputs.confusion,
        confidence=outputs.confidence,
        saliency=shift,
        latency=None,
        footprint_baseline=_footprint(baseline, job),
        footprint_candidate=_footprint(candidate, job),
        fusion=fusion_receipt(candidate.path),
        extra=_plugin_measures(pair),
    )


def _footprint(party: Contestant, job: Job) -> Footprint:
    found = footprint(party.artifact)
    if job.options.latency is None:
        return found
    return dataclasses.replace(found, resident=resident_after_load(party.path, threads=job.options.threads))


def _plugin_measures(pair: LogitPair) -> dict[str, Measure]:
    registry = plugin_metrics()
    return {name: registry[name](pair) for name in registry.names()}


def _timed(parties: Sequence[Contestant], job: Job, stages: Stages) -> list[LatencyComparison | None]:
    plan = job.options.latency
    timed = [party for party in parties if party.input_shape == parties[0].input_shape]
    if plan is None or len(timed) < 2:
        return [None] * (len(parties) - 1)
    inputs = next(job.images.batches(parties[0].preprocessing, plan.batch))
    timings = measure_latency(
        [party.path for party in timed],
        inputs,
        plan=plan,
        rng=np.random.default_rng(job.options.seed),
        progress=stages("latency"),
    )
    rng = np.random.default_rng(job.options.seed)
    found = {
        party.name: compare_latency(timings, place, plan=plan, rng=rng) for place, party in enumerate(timed) if place
    }
    return [found.get(party.name) for party in parties[1:]]


def _with_warnings(parties: Sequence[Contestant], findings: Iterable[_Finding]) -> tuple[Artifact, ...]:
    baseline = parties[0]
    judged = [
        dataclasses.replace(
            party.artifact,
            warnings=(
                *_fusion_warnings(party.artifact, finding.comparison.fusion),
                *_input_warnings(party, baseline),
            ),
        )
        for party, finding in zip(parties[1:], findings, strict=True)
    ]
    return (baseline.artifact, *judged)


def _input_warnings(party: Contestant, baseline: Contestant) -> tuple[str, ...]:
    if party.input_shape == baseline.input_shape:
        return ()
    shapes = [" x ".join(map(str, shape)) for shape in (party.input_shape, baseline.input_shape)]
    return (f"It takes inputs of {shapes[0]}, the baseline of {shapes[1]}: the two are not timed together.",)


def _fusion_warnings(artifact: Artifact, fusion: FusionReceipt | None) -> tuple[str, ...]:
    if fusion is None or artifact.precision == "fp32" or fusion.int8_fraction == 1.0:
        return ()
    count = len(fusion.float_nodes)
    return (f"{count} of {count + fusion.quantised_nodes} weighted nodes run in floating point on this CPU.",)


def _joined_pictures(findings: Iterable[_Finding]) -> dict[tuple[str, str], bytes]:
    return {key: png for finding in findings for key, png in finding.pictures.items()}
