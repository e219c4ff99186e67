"""Comparisons: models against a baseline on the same images, judged by a policy, kept or shown."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from compress_onnx.comparison import (
    CompareOptions,
    Criteria,
    Job,
    NamedModel,
    RunResults,
    compared,
    judged_run,
    report_page,
    saliency_method,
    save_new,
    stored_run,
    verdict_on,
)
from compress_onnx.data import DataSource, image_set
from compress_onnx.files import write_text
from compress_onnx.gate import Policy, load_policy
from compress_onnx.model import Model, ModelSource
from compress_onnx.options import (
    BATCH,
    CALLS,
    PICTURES,
    ROUNDS,
    SALIENCY_SAMPLES,
    SALIENCY_TARGET,
    SEED,
    THREADS,
    Stages,
    silent_stages,
)
from compress_onnx.records import Preprocessing, Verdict
from compress_onnx.runtime import LatencyPlan

Candidates: TypeAlias = ModelSource | Sequence[ModelSource] | Mapping[str, ModelSource]


@dataclasses.dataclass(kw_only=True, eq=False)
class Run(RunResults):
    """What a comparison found: ``run.comparisons[name]``, ``run.samples()``, a verdict and a report.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier, pictures
    >>> run = co.compare(classifier(), {"noisy": classifier(0.3)}, pictures(60), saliency="none", latency=False)
    >>> run.samples().num_rows, float(run.comparisons["noisy"].flips.rate) > 0
    (60, True)
    """

    def gate(
        self,
        policy: str | os.PathLike[str] | Policy | None = None,
        *,
        against: str | os.PathLike[str] | None = None,
        lock: str | os.PathLike[str] | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> Verdict:
        """Hold the run against a policy, an earlier run's folder or locked images; it keeps the verdict.

        Errors
        ------
        PolicyError, UnknownNameError, RecordError
            as of ``compress-onnx gate``.
        """
        criteria = _criteria(policy, against=against, lock=lock, renamed=renamed)
        verdict = verdict_on(self, criteria) if self.folder is None else judged_run(self, criteria)
        self.record = dataclasses.replace(self.record, verdict=verdict)
        return verdict

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as one HTML file and return its path.

        Errors
        ------
        OutputError
            if it cannot be written.
        """
        target = Path(path)
        write_text(target, report_page(self))
        return target

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the run's folder as the command line does, and return it.

        Errors
        ------
        OutputError
            if it cannot be written.
        """
        self.folder = save_new(self, Path(folder)).folder
        return Path(folder)


def compare(
    baseline: ModelSource,
    candidates: Candidates,
    data: DataSource,
    *,
    saliency: str = "auto",
    saliency_samples: int = SALIENCY_SAMPLES.default,
    saliency_target: str = SALIENCY_TARGET.default,
    latency: bool = True,
    threads: int | None = None,
    batch: int = BATCH.default,
    rounds: int = ROUNDS.default,
    calls: int = CALLS.default,
    pictures: int = PICTURES.default,
    seed: int = SEED.default,
    target: str | None = None,
    preprocessing: Preprocessing | None = None,
    cache: bool = True,
    stages: Stages = silent_stages,
) -> Run:
    """Compare candidates, by name, with their baseline on the same images; batches are gone through once.

    ``data`` is what ``--data`` takes, arrays (images uint8 (N, H, W, 3), labels) or (inputs float32 as the model takes
    them, labels), or any iterable of such batches. ``preprocessing`` serves models whose metadata hold none; where
    the data are model inputs none is needed. The other options are those of ``compress-onnx compare``.

    Errors
    ------
    ModelError, DataError, OptionError
        as of ``compress-onnx compare``.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier, pictures
    >>> images, labels = pictures(60)
    >>> batches = [(images[:40], labels[:40]), (images[40:], labels[40:])]
    >>> run = co.compare(classifier(), {"same": classifier()}, batches, saliency="none", latency=False)
    >>> run.comparisons["same"].flips.rate.value
    0.0
    """
    ROUNDS.check(rounds)
    CALLS.check(calls)
    plan = None
    if latency:
        plan = LatencyPlan(threads=threads or THREADS.default, batch=batch, rounds=rounds, calls=calls)
    options = CompareOptions(
        saliency=saliency_method(saliency),
        saliency_samples=saliency_samples,
        saliency_target=saliency_target,
        latency=plan,
        threads=threads,
        batch=batch,
        seed=seed,
        pictures=pictures,
        target=target,
        preprocessing=preprocessing,
        cache=cache,
    )
    job = Job(
        models=_named(baseline, candidates),
        images=image_set(data),
        options=options,
        command=("compress_onnx.compare",),
        started_at=datetime.now().astimezone(),
    )
    results = compared(job, stages=stages)
    return Run(**{field.name: getattr(results, field.name) for field in dataclasses.fields(RunResults)})


def check(
    baseline: ModelSource,
    candidates: Candidates,
    data: DataSource,
    *,
    policy: str | os.PathLike[str] | Policy,
    against: str | os.PathLike[str] | None = None,
    lock: str | os.PathLike[str] | None = None,
    renamed: Mapping[str, str] | None = None,
    **options: Any,
) -> Run:
    """Compare, as :func:`compare` with its ``options``, then decide: ``run.record.verdict.outcome``.

    Errors
    ------
    PolicyError, RecordError
        if policy, earlier run or lock cannot be read, before anything is run; else as of :func:`compare`.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier, pictures
    >>> rule = '''[[rule]]
    ... metric = "flips.rate"
    ... at_most = 0.5
    ... '''
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "policy.toml"
    >>> _ = file.write_text(rule)
    >>> run = co.check(classifier(), classifier(), pictures(60), policy=file, saliency="none", latency=False)
    >>> str(run.record.verdict.outcome)
    'pass'
    """
    criteria = _criteria(policy, against=against, lock=lock, renamed=renamed).readable()
    run = compare(baseline, candidates, data, **options)
    run.gate(criteria.policy, against=against, lock=lock, renamed=renamed)
    return run


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read a stored run's record and rows, given its folder or its ``run.json``.

    Errors
    ------
    RecordError
        if they are missing or broken.

    >>> import compress_onnx as co
    >>> co.load_run("reports/none")
    Traceback (most recent call last):
    ...
    compress_onnx.errors.RecordError: Expected a run's folder or its run.json, got ...
    """
    stored = stored_run(Path(folder))
    return Run(**{field.name: getattr(stored, field.name) for field in dataclasses.fields(RunResults)})


def _criteria(
    policy: str | os.PathLike[str] | Policy | None,
    *,
    against: str | os.PathLike[str] | None,
    lock: str | os.PathLike[str] | None,
    renamed: Mapping[str, str] | None,
) -> Criteria:
    return Criteria(
        policy=policy if policy is None or isinstance(policy, Policy) else load_policy(Path(policy)),
        against=None if against is None else Path(against),
        lock=None if lock is None else Path(lock),
        renamed=dict(renamed or {}),
    )


def _named(baseline: ModelSource, candidates: Candidates) -> list[NamedModel]:
    """Return the models under distinct names: those given, else those of their files."""
    if isinstance(candidates, Mapping):
        others = [NamedModel(source=source, name=name) for name, source in candidates.items()]
    else:
        listed: Sequence[Any] = candidates if isinstance(candidates, list | tuple) else [candidates]
        others = [NamedModel(source=source, name=_name(source, "candidate")) for source in listed]
    taken: list[NamedModel] = []
    for model in (NamedModel(source=baseline, name=_name(baseline, "baseline")), *others):
        taken.append(dataclasses.replace(model, name=_free(model.name, {other.name for other in taken})))
    return taken


def _name(source: ModelSource, otherwise: str) -> str:
    if isinstance(source, Model):
        return source.where.stem
    return Path(source).stem if isinstance(source, str | os.PathLike) else otherwise


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number where another model has it.

    >>> _free("int8", {"int8"}), _free("int8", set())
    ('int8-2', 'int8')
    """
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
