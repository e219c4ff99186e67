"""Records and arrays to disk and back: validated on reading, whole or not at all on writing.

A run's folder holds ``run.json`` (the :class:`~compress_onnx.records.RunRecord`),
``predictions/<artifact>.npz``, ``attention/<artifact>.npz`` (mean saliency maps and two examples),
``samples.parquet`` (one row per sample and candidate) and ``pictures.parquet`` (PNG bytes of the samples that
the report shows).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from compress_onnx.errors import RecordError
from compress_onnx.files import BROKEN_ARCHIVE, write_text, written_whole
from compress_onnx.records import SCHEMA_VERSION, Artifact, AttentionMaps, Predictions, RunRecord, StudyRecord

ATTENTION_FOLDER = "attention"
RUN_FILE = "run.json"
STUDY_FILE = "study.json"
SAMPLES_FILE = "samples.parquet"
PICTURES_FILE = "pictures.parquet"
REPORT_FILE = "report.html"

R = TypeVar("R", RunRecord, StudyRecord)

# What two runs of one command may differ in: when and how fast.
_TIMES = frozenset(
    {"run_id", "started_at", "seconds", "latency", "predicted", "resident", "cpu_temperature_c", "timed_on"}
)

# The last schema version that only named fields otherwise, and what those are called since.
_RENAMED_SINCE = 2
_NEW_NAMES = {"quantised_nodes": "quantized_nodes", "randomised_ceiling": "randomized_ceiling"}

# Stored types that no way of writing them makes smaller; a varint of others may be.
_NEVER_SHORTER = frozenset({"float", "double", "int8", "uint8", "int4", "uint4"})

_PICTURES = pa.schema([("sample_id", pa.string()), ("artifact", pa.string()), ("png", pa.binary())])


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
    found = _validated(run_file(run), _runs())
    for artifact in found.artifacts:
        _expect_whole(artifact, run_file(run))
    return found


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


def _validated(path: Path, schema: TypeAdapter[R]) -> R:
    raw = _upgraded(_read_json(path))
    found = raw.get("schema_version") if isinstance(raw, dict) else None
    if found != SCHEMA_VERSION:
        raise RecordError(
            f"a run record of schema version {SCHEMA_VERSION}",
            f"version {found}" if found is not None else "no schema version",
            where=path,
            remedy="Make the run again with this version of compress-onnx.",
        )
    try:
        return schema.validate_json(json.dumps(raw))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            "a run record", f"{first['msg']} at {place}", where=path, remedy="Make the run again."
        ) from error


def _upgraded(raw: Any) -> Any:
    """Return a record of schema version 2 as one of this version, anything else as it is."""
    if not isinstance(raw, dict) or raw.get("schema_version") != _RENAMED_SINCE:
        return raw
    renamed: dict[str, Any] = _with_new_names(raw)
    return renamed | {"schema_version": SCHEMA_VERSION}


def _with_new_names(node: Any) -> Any:
    if isinstance(node, dict):
        return {_NEW_NAMES.get(key, key): _with_new_names(value) for key, value in node.items()}
    return [_with_new_names(item) for item in node] if isinstance(node, list) else node


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
    return _validated(study / STUDY_FILE if study.is_dir() else study, TypeAdapter(StudyRecord))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(
            "a run's folder or its run.json", error.strerror or "no file", where=path, remedy="Check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecordError("a run record in JSON", str(error), where=path, remedy="Make the run again.") from error


def without_times(record: RunRecord | StudyRecord) -> dict[str, Any]:
    """Return a record as plain data without times, latencies and what else varies by itself: equal for equal runs."""
    stripped: dict[str, Any] = _strip(json.loads(as_json(record)))
    return stripped


def _strip(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _strip(value) for key, value in node.items() if key not in _TIMES}
    return [_strip(item) for item in node] if isinstance(node, list) else node


def save_predictions(predictions: Predictions, path: Path) -> None:
    """Write predictions as ``.npz``; missing labels are left out."""
    arrays: dict[str, NDArray[Any]] = {
        "sample_ids": predictions.sample_ids,
        "logits": predictions.logits,
        "artifact_sha256": np.array(predictions.artifact_sha256),
        "dataset_sha256": np.array(predictions.dataset_sha256),
        "cpu": np.array(predictions.cpu),
    }
    if predictions.labels is not None:
        arrays["labels"] = predictions.labels
    with written_whole(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def load_predictions(path: Path) -> Predictions:
    """Read predictions.

    Errors
    ------
    RecordError
        if the file is missing, not such an archive, or its arrays do not fit each other.
    """
    try:
        # numpy leaves a broken file open if it opened it itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            found = Predictions(
                sample_ids=archive["sample_ids"],
                labels=archive.get("labels"),
                logits=archive["logits"],
                artifact_sha256=str(archive["artifact_sha256"]),
                dataset_sha256=str(archive["dataset_sha256"]),
                cpu=str(archive["cpu"]),
            )
        _expect_fitting(found)
    except BROKEN_ARCHIVE as error:
        got = str(error) or type(error).__name__
        raise RecordError("predictions in .npz", got, where=path, remedy="Make the run again.") from error
    return found


def _expect_fitting(found: Predictions) -> None:
    """Raise ``ValueError`` unless ids, labels and logits are arrays of N rows in their documented types."""
    labels = found.sample_ids if found.labels is None else found.labels
    if not all(isinstance(array, np.ndarray) for array in (found.sample_ids, labels, found.logits)):
        message = "a member that is no array"
        raise ValueError(message)
    kinds = (found.sample_ids.dtype.kind, labels.dtype.kind, found.logits.dtype)
    if kinds[0] != "U" or kinds[1] != ("U" if found.labels is None else "i") or kinds[2] != np.float32:
        message = f"ids, labels and logits of types {found.sample_ids.dtype}, {labels.dtype} and {found.logits.dtype}"
        raise ValueError(message)
    rows = len(found.sample_ids)
    if (
        found.logits.ndim != 2
        or found.sample_ids.shape != (rows,)
        or not labels.shape == (rows,) == found.logits.shape[:1]
    ):
        message = f"ids, labels and logits of shapes {found.sample_ids.shape}, {labels.shape} and {found.logits.shape}"
        raise ValueError(message)


def save_attention(maps: AttentionMaps, folder: Path, name: str) -> None:
    """Write one candidate's mean maps and examples as ``attention/<name>.npz``."""
    arrays = {field.name: getattr(maps, field.name) for field in dataclasses.fields(maps)}
    with written_whole(folder / ATTENTION_FOLDER / f"{name}.npz") as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def load_attention(folder: Path, name: str) -> AttentionMaps | None:
    """Read one candidate's mean maps and examples, ``None`` if they are not there.

    Errors
    ------
    RecordError
        if the file is no such archive, or an array is missing or of the wrong shape.
    """
    path = folder / ATTENTION_FOLDER / f"{name}.npz"
    if not path.exists():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            found = AttentionMaps(**{field.name: archive[field.name] for field in dataclasses.fields(AttentionMaps)})
        _expect_maps(found)
    except BROKEN_ARCHIVE as error:
        got = str(error) or type(error).__name__
        raise RecordError("saliency maps in .npz", got, where=path, remedy="Make the run again.") from error
    return found


def _expect_maps(found: AttentionMaps) -> None:
    """Raise ``ValueError`` unless the arrays have the documented types, and shapes that fit each other."""
    means = (found.mean_baseline, found.mean_candidate, found.mean_difference, found.significant)
    examples = (found.example_baseline, found.example_candidate)
    kinds = "".join(array.dtype.kind for array in (*means, found.example_ids, found.example_pixels, *examples))
    count = len(found.example_ids)
    shapes = {array.shape for array in means}, {array.shape for array in (*examples, found.example_pixels[..., 0])}
    if kinds != "fffbUuff" or len(shapes[0]) != 1 or len(shapes[1]) != 1 or found.example_deviation.shape != (count,):
        message = f"arrays of kinds {kinds} and shapes {sorted(map(str, shapes[0] | shapes[1]))}"
        raise ValueError(message)


@contextlib.contextmanager
def samples_written(folder: Path) -> Iterator[Callable[[Mapping[str, NDArray[Any]]], None]]:
    """Yield what writes one candidate's rows into ``samples.parquet``: equally long columns, one row per sample.

    Rows go to disk as they come; the file is there, whole, after the block.
    """
    with _written_table(folder / SAMPLES_FILE) as write:
        yield lambda columns: write(pa.table({name: pa.array(values) for name, values in columns.items()}))


def load_samples(folder: Path) -> dict[str, NDArray[Any]] | None:
    """Read ``samples.parquet`` as columns, ``None`` if it is not there."""
    table = _load_table(folder / SAMPLES_FILE)
    return None if table is None else {name: table[name].to_numpy() for name in table.column_names}


@contextlib.contextmanager
def pictures_written(folder: Path) -> Iterator[Callable[[Mapping[tuple[str, str], bytes]], None]]:
    """Yield what writes pictures into ``pictures.parquet``: PNG bytes by (sample id, artifact name).

    The picture itself has the empty artifact name; a saliency map has its artifact's. What was
    written before is left out. The file is there, whole, after the block.
    """
    known: set[tuple[str, str]] = set()
    with _written_table(folder / PICTURES_FILE) as write:

        def write_new(pictures: Mapping[tuple[str, str], bytes]) -> None:
            keys = sorted(pictures.keys() - known)
            known.update(keys)
            columns = [[sample for sample, _ in keys], [artifact for _, artifact in keys], [pictures[k] for k in keys]]
            write(pa.Table.from_arrays(list(map(pa.array, columns, _PICTURES.types)), schema=_PICTURES))

        write_new({})
        yield write_new


def load_pictures(folder: Path) -> dict[tuple[str, str], bytes]:
    """Read ``pictures.parquet``; empty if it is not there.

    Errors
    ------
    RecordError
        if the file is broken or has other columns.
    """
    table = _load_table(folder / PICTURES_FILE)
    if table is not None and not {"sample_id", "artifact", "png"} <= set(table.column_names):
        raise RecordError(
            "columns sample_id, artifact and png",
            ", ".join(table.column_names) or "none",
            where=folder / PICTURES_FILE,
            remedy="Make the run again.",
        )
    rows = [] if table is None else table.to_pylist()
    return {(row["sample_id"], row["artifact"]): row["png"] for row in rows}


@contextlib.contextmanager
def _written_table(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield what appends a table's rows; all tables have the first one's columns."""
    with written_whole(path) as part, contextlib.ExitStack() as stack:
        writers: list[pq.ParquetWriter] = []

        def write(table: pa.Table) -> None:
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(part, table.schema, compression="zstd")))
            writers[0].write_table(table)

        yield write


def _load_table(path: Path) -> pa.Table | None:
    if not path.exists():
        return None
    try:
        # Not read_table: it imports the dataset machinery for one local file.
        with pq.ParquetFile(path) as file:
            return file.read()
    except (OSError, pa.ArrowException) as error:
        raise RecordError(
            "a Parquet table of this tool", str(error), where=path, remedy="Make the run again."
        ) from error
