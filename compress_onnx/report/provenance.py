"""Where the numbers come from: artifacts, recipes, environment, data, command, and what to be wary of."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable

from compress_onnx.records import (
    SCHEMA_VERSION,
    Artifact,
    Environment,
    OptionValue,
    PredictionRun,
    RecipeStep,
    RunRecord,
    SaliencyShift,
)
from compress_onnx.report.batch_words import independence_cell
from compress_onnx.report.cells import Cell, Table, absent, code, count, words
from compress_onnx.report.figures import percent, plain, size

SHA256_LENGTH = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one artifact was made: its name, full hash, and its steps in words."""

    name: str
    path: str
    sha256: str
    parent: str
    steps: tuple[str, ...]


def artifact_table(artifacts: tuple[Artifact, ...]) -> Table:
    """Return precision, sparsity and size of every artifact."""
    head = ("Artifact", "Precision", "Zero weights", "Weights", "Non-zero", "File", "Zipped", "Opset", "SHA-256")
    return Table(caption="Precision, sparsity and size", head=head, rows=tuple(map(_artifact_row, artifacts)))


def _artifact_row(artifact: Artifact) -> tuple[Cell, ...]:
    return (
        words(artifact.name),
        code(artifact.precision),
        Cell(text=percent(artifact.sparsity, 1), bar=artifact.sparsity),
        count(artifact.weights),
        count(artifact.nonzero_weights),
        Cell(text=size(artifact.file_bytes)),
        Cell(text=size(artifact.zip_bytes)),
        count(artifact.opset),
        code(artifact.sha256[:12]),
    )


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
    found = "found in the cache"
    batch = run.independence.predicted_batch if run.independence and run.batch is None else run.batch
    return (
        words(run.name),
        absent(found) if batch is None else count(batch),
        absent(found) if run.threads is None else count(run.threads),
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


def warnings(record: RunRecord) -> tuple[str, ...]:
    """Return everything the reader should be wary of, each once, in the record's order."""
    found = [*_version_warnings(record), *(record.verdict.warnings if record.verdict else ())]
    for artifact in record.artifacts:
        found += [f"{artifact.name}: {text}" for text in artifact.warnings]
    for comparison in record.comparisons:
        latency = comparison.latency.warnings if comparison.latency else ()
        found += [f"{comparison.candidate_name}, latency: {text}" for text in latency]
        found += [f"{comparison.candidate_name}, saliency: {text}" for text in _saliency_warnings(comparison.saliency)]
    return tuple(dict.fromkeys(found))


def _version_warnings(record: RunRecord) -> Iterable[str]:
    if record.schema_version != SCHEMA_VERSION:
        yield f"The record has schema version {record.schema_version}, this report reads {SCHEMA_VERSION}."
    if record.environment.cpu_saturates:
        yield "This CPU saturates 16-bit sums: int8 answers may differ on a CPU that does not."


def _saliency_warnings(shift: SaliencyShift | None) -> Iterable[str]:
    if shift is None:
        return
    if shift.undefined_reason:
        # Why there are no maps says more than that no twin was accepted.
        yield f"not measured. {shift.undefined_reason}"
        return
    for side, fidelity in (("baseline", shift.fidelity_baseline), ("candidate", shift.fidelity_candidate)):
        if not fidelity.accepted:
            yield f"the twin of the {side} does not compute what the file computes, so its maps are not to be trusted"
