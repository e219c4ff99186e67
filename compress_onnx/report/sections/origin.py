"""Where the numbers come from: command, artifacts, recipes, environment, data and options."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable

from compress_onnx.records import Artifact, Environment, OptionValue, PredictionRun, RecipeStep, RunRecord
from compress_onnx.report.kit import (
    Cell,
    ReportInput,
    Section,
    Table,
    absent,
    code,
    count,
    independence_cell,
    plain,
    words,
)

SHA256_LENGTH = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The command that makes the run again, how each artifact was made, and the facts around it."""

    command: str
    recipes: tuple[Recipe, ...]
    facts: tuple[Table, ...]


def origin_section(source: ReportInput) -> Section:
    """Return the run's origin; every run has one."""
    record = source.record
    return Section(
        key="origin",
        title="Where it comes from",
        good="you can run the command below and get the same record but for times.",
        bad="an unknown parent, or another CPU than the one you deploy to.",
        template="sections/origin.html.j2",
        content=Origin(
            command=command(record),
            recipes=recipes(record.artifacts),
            facts=facts(record),
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one artifact was made: its name, full hash, and its steps in words."""

    name: str
    path: str
    sha256: str
    parent: str
    steps: tuple[str, ...]


def recipes(artifacts: tuple[Artifact, ...]) -> tuple[Recipe, ...]:
    """Return how each artifact was made."""
    names = {artifact.sha256: artifact.name for artifact in artifacts}
    return tuple(
        Recipe(
            name=artifact.name,
            path=artifact.path,
            sha256=artifact.sha256,
            parent=_parent(artifact, names),
            steps=tuple(map(_step, artifact.recipe)),
        )
        for artifact in artifacts
    )


def _parent(artifact: Artifact, names: dict[str, str]) -> str:
    if artifact.parent_sha256 is None:
        return "none: this file was given or exported"
    return f"{names.get(artifact.parent_sha256, 'not in this run')}, {artifact.parent_sha256}"


def _step(step: RecipeStep) -> str:
    options = ", ".join(f"{name}={_value(value)}" for name, value in step.options.items())
    return f"{step.name}({options}), {step.seconds:.1f} s"


def _value(value: OptionValue) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and len(value) == SHA256_LENGTH and value.isalnum():
        return value[:12]
    return "none" if value is None else str(value)


def command(record: RunRecord) -> str:
    """Return the command that reproduces the run, quoted for a shell.

    The record keeps it with or without the program's name; the page always shows it with.
    """
    parts = list(record.command)
    if not parts or not parts[0].endswith("compress-onnx"):
        parts.insert(0, "compress-onnx")
    return shlex.join(parts)


def facts(record: RunRecord) -> tuple[Table, ...]:
    """Return environment, data, options and how predictions were made as tables."""
    predicted = predicted_table(record)
    return (
        _facts("Environment", _environment(record)),
        _facts("Data", _data(record)),
        _facts("Options", [(name, _value(value)) for name, value in sorted(record.config.items())]),
        _facts("Packages", sorted(record.environment.packages.items())),
        *((predicted,) if predicted else ()),
    )


def predicted_table(record: RunRecord) -> Table | None:
    """Return how each file's predictions came about, ``None`` where the record does not say."""
    if not record.predicted:
        return None
    return Table(
        caption="How the predictions were made",
        head=("Artifact", "Images per call", "Calls at a time", "Seconds", "Answers depend on the call"),
        rows=tuple(map(_predicted_row, record.predicted)),
        note="Nothing here changes a prediction, but for the images per call where answers depend on them.",
    )


def _predicted_row(run: PredictionRun) -> tuple[Cell, ...]:
    cached = "found in the cache"
    batch = run.independence.predicted_batch if run.independence and run.batch is None else run.batch
    return (
        words(run.name),
        absent(cached) if batch is None else count(batch),
        absent(cached) if run.threads is None else count(run.threads),
        Cell(text=plain(run.seconds)),
        independence_cell(run.independence),
    )


def _facts(caption: str, pairs: Iterable[tuple[str, str]]) -> Table:
    return Table(caption=caption, head=("Name", "Value"), rows=tuple((words(k), code(v)) for k, v in pairs))


def _environment(record: RunRecord) -> list[tuple[str, str]]:
    environment = record.environment
    emulated = [("Emulated by", environment.emulator)] if environment.emulator else []
    return [
        ("CPU", environment.cpu_model),
        *emulated,
        ("CPU target", environment.cpu_target),
        ("CPU features", ", ".join(environment.cpu_features) or "none"),
        ("int16 saturation", "yes" if environment.cpu_saturates else "no"),
        ("Cores", str(environment.cores)),
        ("CPU quota", "none" if environment.cpu_quota is None else f"{environment.cpu_quota:g} cores"),
        ("Governor", environment.cpu_governor or _unknown(environment, "cpu_governor")),
        ("Temperature at the start", _temperature(environment)),
        ("System", environment.system),
        ("Python", environment.python),
        ("Run", record.run_id),
        ("Started", record.started_at),
        ("Record schema", str(record.schema_version)),
    ]


def _temperature(environment: Environment) -> str:
    if environment.cpu_temperature_c is None:
        return _unknown(environment, "cpu_temperature_c")
    return f"{environment.cpu_temperature_c:.0f} °C"


def _unknown(environment: Environment, name: str) -> str:
    return f"not known: {environment.unknown.get(name, 'not recorded')}"


def _data(record: RunRecord) -> list[tuple[str, str]]:
    data, shape, calibration = record.dataset, record.preprocessing, record.calibration
    pairs = [
        ("Data set", f"{data.name}, {data.split}"),
        ("Images", f"{data.n:,}"),
        ("Classes", f"{len(data.class_names):,}"),
        ("SHA-256", data.sha256),
        ("Input", f"{shape.height} x {shape.width} pixels, {shape.channels} channels, {shape.layout}"),
        ("Mean", ", ".join(f"{value:g}" for value in shape.mean)),
        ("Standard deviation", ", ".join(f"{value:g}" for value in shape.std)),
    ]
    if calibration is None:
        return [*pairs, ("Calibration", "none in this run")]
    chosen = f"{calibration.manifest}, {calibration.n:,} images, seed {calibration.seed}"
    return [*pairs, ("Calibration", chosen), ("Calibration SHA-256", calibration.sha256)]
