"""The records of runs and studies as JSON files, and what two runs of one command have in common."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from compress_onnx.errors import RecordError
from compress_onnx.files import write_text
from compress_onnx.records import Artifact, RunRecord, StudyRecord
from compress_onnx.store.schema import validated

RUN_FILE = "run.json"
STUDY_FILE = "study.json"
REPORT_FILE = "report.html"

# What two runs of one command may differ in: when and how fast.
_TIMES = frozenset(
    {"run_id", "started_at", "seconds", "latency", "predicted", "resident", "cpu_temperature_c", "timed_on"}
)

# Stored types that no way of writing them makes smaller; a varint of others may be.
_NEVER_SHORTER = frozenset({"float", "double", "int8", "uint8", "int4", "uint4"})


@functools.cache
def _runs() -> TypeAdapter[RunRecord]:
    return TypeAdapter(RunRecord)


def as_json(record: Any) -> str:
    """Return a record as JSON text.

    Errors
    ------
    ValueError
        if a number is NaN or infinite: a record never holds one.
    """
    return json.dumps(dataclasses.asdict(record), indent=1, ensure_ascii=False, allow_nan=False)


def save_run(record: RunRecord, folder: Path) -> Path:
    """Write ``run.json`` into a run's folder and return its path."""
    path = folder / RUN_FILE
    write_text(path, as_json(record) + "\n")
    return path


def run_file(run: Path) -> Path:
    """Return the ``run.json`` of a run given by its folder or by that file."""
    return run / RUN_FILE if run.is_dir() else run


def load_run(run: Path) -> RunRecord:
    """Read and validate a run's record, given its folder or its ``run.json``.

    Errors
    ------
    RecordError
        if it is missing, not JSON, of another schema version, or not what the schema says, or a model's data
        files were left out of it.
    """
    record = validated(run_file(run), _runs())
    for artifact in record.artifacts:
        _expect_whole(artifact, run_file(run))
    return record


def _expect_whole(artifact: Artifact, path: Path) -> None:
    """Raise if a record of the time when a graph's file alone was hashed and weighed left data files out."""
    least = sum(count for kind, count in artifact.initializer_bytes.items() if kind in _NEVER_SHORTER)
    if artifact.files is None and least > artifact.file_bytes:
        raise RecordError(
            "a record of models by all their bytes",
            f"{artifact.file_bytes} bytes of {artifact.name!r}, whose weights alone are {least}",
            where=path,
            remedy="Make the run again: its data files were left out, and its answers may be another model's.",
        )


def save_study(record: StudyRecord, folder: Path) -> Path:
    """Write ``study.json`` into a study's folder and return its path."""
    path = folder / STUDY_FILE
    write_text(path, as_json(record) + "\n")
    return path


def load_study(study: Path) -> StudyRecord:
    """Read and validate a study's summary, given its folder or its ``study.json``.

    Errors
    ------
    RecordError
        if it is missing, not JSON, of another schema version, or not what the schema says.
    """
    return validated(study / STUDY_FILE if study.is_dir() else study, TypeAdapter(StudyRecord))


def without_times(record: RunRecord | StudyRecord) -> dict[str, Any]:
    """Return a record as plain data without times, latencies and what else varies by itself: equal for equal runs."""
    stripped: dict[str, Any] = _strip(json.loads(as_json(record)))
    return stripped


def _strip(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _strip(value) for key, value in node.items() if key not in _TIMES}
    return [_strip(item) for item in node] if isinstance(node, list) else node
