"""The record of a comparison, and what its reader is told to be wary of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from compress_onnx.comparison.job import Job, run_record, with_warnings
from compress_onnx.comparison.models import EvaluatedModel, NamedModel, evaluated_models
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.run import RunResults
from compress_onnx.data.splits import choose_calibration
from compress_onnx.records.artifacts import FloatNode, FusionReceipt, Precision
from compress_onnx.records.base import SCHEMA_VERSION

RunOf = Callable[..., RunResults]


@pytest.fixture
def run(run_of: RunOf) -> RunResults:
    return run_of("a-run", {"one": 0.3, "two": 0.6})


@pytest.fixture
def models(make_classifier: Any, make_images: Any) -> tuple[EvaluatedModel, ...]:
    named = [
        NamedModel(source=make_classifier(name, **shape), name=name)
        for name, shape in (("base", {}), ("one", {"noise": 0.3}), ("two", {"side": 9}))
    ]
    return evaluated_models(named, make_images(), fallback=None, folder=None)


@pytest.fixture
def job(models: tuple[EvaluatedModel, ...], make_images: Any, started: datetime) -> Job:
    return Job(
        models=[NamedModel(source=one.model, name=one.name) for one in models],
        images=make_images(),
        options=CompareOptions(seed=3),
        command=("compress-onnx", "compare", "base.onnx"),
        started_at=started,
    )


def test_a_record_says_what_was_compared_when_and_how(
    job: Job, models: tuple[EvaluatedModel, ...], run: RunResults, make_images: Any
) -> None:
    known = run.record
    record = run_record(job, models, known.comparisons, runs=known.predicted, dataset=known.dataset)
    assert (record.schema_version, record.run_id) == (SCHEMA_VERSION, "20260102-150405-base")
    assert datetime.fromisoformat(record.started_at) == job.started_at
    assert (record.command, record.config) == (job.command, job.options.recorded())
    assert record.preprocessing == models[0].preprocessing
    assert record.comparisons == known.comparisons
    assert (record.calibration, record.verdict) == (None, None)
    assert [artifact.name for artifact in record.artifacts] == ["base", "one", "two"]
    manifest = choose_calibration(make_images(seed=1), 30, seed=5)
    chosen = run_record(
        dataclasses.replace(job, manifests=(manifest,)),
        models,
        known.comparisons,
        runs=known.predicted,
        dataset=known.dataset,
    ).calibration
    assert chosen is not None
    assert (chosen.n, chosen.seed) == (30, 5)


def warnings(models: tuple[EvaluatedModel, ...], run: RunResults, **changes: Any) -> list[tuple[str, ...]]:
    comparisons = [dataclasses.replace(comparison, **changes) for comparison in run.record.comparisons]
    return [artifact.warnings for artifact in with_warnings(models, comparisons, run.record.predicted)]


def test_another_input_is_a_warning(models: tuple[EvaluatedModel, ...], run: RunResults) -> None:
    says = "It takes inputs of 3 x 9 x 9, the baseline of 3 x 6 x 6: the two are not timed together."
    assert warnings(models, run) == [(), (), (says,)]


def test_what_an_artifact_warns_of_already_comes_first(models: tuple[EvaluatedModel, ...], run: RunResults) -> None:
    said = tuple(
        dataclasses.replace(one, artifact=dataclasses.replace(one.artifact, warnings=("Known.",))) for one in models
    )
    assert [found[0] for found in warnings(said, run)] == ["Known."] * 3
    assert len(warnings(said, run)[2]) == 2


@pytest.mark.parametrize(
    ("precision", "floats", "says"),
    [
        (Precision.W8A8, 1, ("1 of 3 weighted nodes run in floating point on this CPU.",)),
        (Precision.W8A8, 0, ()),
        (Precision.FP32, 1, ()),
    ],
)
def test_integers_that_run_in_floating_point_are_a_warning(
    models: tuple[EvaluatedModel, ...], run: RunResults, precision: Precision, floats: int, says: tuple[str, ...]
) -> None:
    changed = tuple(
        dataclasses.replace(one, artifact=dataclasses.replace(one.artifact, precision=precision)) for one in models
    )
    node = FloatNode(name="conv", op="Conv", reason="no integer kernel")
    receipt = FusionReceipt(
        quantized_nodes=3 - floats, float_nodes=(node,) * floats, stray_qdq=0, int8_fraction=1 - floats / 3
    )
    assert warnings(changed, run, fusion=receipt)[:2] == [(), says]
