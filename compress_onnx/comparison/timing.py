"""Latency of a comparison's models on its images, and of files without data on random inputs in every setting asked for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from compress_onnx.comparison.models import EvaluatedModel
from compress_onnx.data import DecodedImages
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.files import write_text
from compress_onnx.model import Model, ModelSource
from compress_onnx.options import THREADS, Stages, silent_stages
from compress_onnx.records import SCHEMA_VERSION, BenchRecord, ExecutionProfile, LatencyComparison
from compress_onnx.runtime import (
    LatencyPlan,
    compare_latency,
    core_numbers,
    environment,
    measure_latency,
    not_faster,
    profile,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Every pair of a number of threads and a batch is timed as ``plan`` says otherwise."""

    threads: tuple[int, ...]
    batches: tuple[int, ...]
    plan: LatencyPlan

    def plans(self) -> Iterator[LatencyPlan]:
        """Yield one plan per setting, threads by threads."""
        for threads in self.threads:
            for batch in self.batches:
                yield dataclasses.replace(self.plan, threads=threads, batch=batch)


def time_models(
    models: Sequence[EvaluatedModel],
    images: DecodedImages,
    plan: LatencyPlan,
    seed: int,
    stages: Stages = silent_stages,
) -> list[LatencyComparison | None]:
    """Return the latency of every candidate against the baseline.

    A candidate that takes inputs of another shape than the baseline is not timed: ``None``.
    """
    form = models[0].preprocessing
    timed = [evaluated for evaluated in models if evaluated.input_shape == models[0].input_shape]
    if len(timed) < 2:
        return [None] * (len(models) - 1)
    timings = measure_latency(
        [evaluated.model for evaluated in timed],
        next(images.sized(form).batches(form, plan.batch)),
        plan=plan,
        rng=np.random.default_rng(seed),
        progress=stages("latency"),
    )
    rng = np.random.default_rng(seed)
    latencies = {
        evaluated.name: compare_latency(timings, place, plan=plan, rng=rng)
        for place, evaluated in enumerate(timed)
        if place
    }
    return [latencies.get(evaluated.name) for evaluated in models[1:]]


def time_files(
    sources: Sequence[ModelSource], sweep: Sweep, *, seed: int, stages: Stages = silent_stages
) -> list[LatencyComparison]:
    """Return the latency of every file but the first against the first, setting by setting.

    Dense kernels take the same time for any input, so standard normal numbers serve.

    Errors
    ------
    OptionError
        if there are fewer than two files, or more threads than cores.
    ModelError
        if a file is no image classifier, or inputs differ or are of unknown size.
    """
    if len(sources) < 2:
        raise OptionError("a baseline and at least one candidate", f"{len(sources)} model")
    models = [Model.of(source) for source in sources]
    plans = [plan.checked() for plan in sweep.plans()]
    _expect_cores(max(sweep.threads))
    shape = _common_shape(models)
    latencies = []
    for plan in plans:
        rng = np.random.default_rng(seed)
        inputs = rng.standard_normal((plan.batch, *shape), dtype=np.float32)
        progress = stages(f"batch {plan.batch}, {plan.threads} thread{'' if plan.threads == 1 else 's'}")
        timings = measure_latency(models, inputs, plan=plan, rng=rng, progress=progress)
        latencies += [compare_latency(timings, place, plan=plan, rng=rng) for place in range(1, len(models))]
    return latencies


def bench_models(
    sources: Sequence[ModelSource], sweep: Sweep, *, seed: int, stages: Stages = silent_stages
) -> BenchRecord:
    """Time the models and say of each candidate that is not faster in the first setting why it is not.

    Errors
    ------
    OptionError, ModelError
        as :func:`time_files`; if a model is written to meanwhile.
    """
    models = [Model.of(source) for source in sources]
    latencies = time_files(models, sweep, seed=seed, stages=stages)
    explanations = _explanations(models, latencies[: len(models) - 1], sweep)
    for model in models:
        model.expect_unchanged()
    return BenchRecord(
        schema_version=SCHEMA_VERSION,
        models=tuple(str(model.where) for model in models),
        environment=environment(),
        seed=seed,
        latency=tuple(latencies),
        explanations=explanations,
    )


def _explanations(
    models: Sequence[Model], latencies: Sequence[LatencyComparison], sweep: Sweep
) -> tuple[tuple[str, ...], ...]:
    """Return for each candidate why it is not faster, nothing where it is."""
    slow = [not is_faster(comparison) for comparison in latencies]
    if not any(slow):
        return tuple(() for _ in latencies)
    plan = next(sweep.plans())
    images = np.zeros((plan.batch, *_common_shape(models)), np.float32)

    def profiled(model: Model) -> ExecutionProfile:
        return profile(model, images, setting=plan.setting(), start=plan.start)

    baseline = profiled(models[0])
    return tuple(
        not_faster(baseline, profiled(model)) if is_slow else ()
        for model, is_slow in zip(models[1:], slow, strict=True)
    )


def profile_model(model: Model) -> ExecutionProfile:
    """Return where the time of one image goes in a model, on one thread.

    Errors
    ------
    ModelError
        if it is no image classifier or its input is of unknown size.
    """
    plan = LatencyPlan()
    images = np.zeros((1, *_common_shape([model])), np.float32)
    return profile(model, images, setting=plan.setting(), start=plan.start)


def is_faster(comparison: LatencyComparison) -> bool:
    """Tell whether the candidate is faster beyond doubt."""
    return bool(comparison.significant) and (comparison.speedup.value or 0.0) > 1


def _expect_cores(threads: int) -> None:
    cores = len(core_numbers())
    if threads > cores:
        raise OptionError(
            f"{THREADS.name} at most {cores}, the cores this process may use",
            str(threads),
            remedy="Threads without a core of their own wait for one another.",
        )


def _common_shape(models: Sequence[Model]) -> tuple[int, ...]:
    first: tuple[int, ...] | None = None
    for model in models:
        shape = tuple(size for size in model.signature.image_shape if size is not None)
        if len(shape) != 3:
            raise ModelError("an input of known size beyond the batch", "an unknown dimension", where=model.where)
        first = first or shape
        if shape != first:
            raise ModelError(f"the baseline's input shape {first}", str(shape), where=model.where)
    return first or ()


def write_bench(record: BenchRecord, folder: Path) -> Path:
    """Write ``bench.json`` and ``bench.html`` into a folder and return the page's path.

    Errors
    ------
    OutputError
        if the folder cannot be written.
    """
    from compress_onnx.report import render_bench

    write_text(folder / "bench.json", bench_json(record) + "\n")
    page = folder / "bench.html"
    write_text(page, render_bench(record))
    return page


def bench_json(record: BenchRecord) -> str:
    """Return the record as JSON on one line: it holds every timed call."""
    return json.dumps(dataclasses.asdict(record), ensure_ascii=False, allow_nan=False)
