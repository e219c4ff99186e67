"""JSON of a record to plain data in this version's names, and to a validated record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from compress_onnx.errors import RecordError
from compress_onnx.records import SCHEMA_VERSION, RunRecord, StudyRecord

R = TypeVar("R", RunRecord, StudyRecord)

# The last schema version that only named fields otherwise, and what those are called since.
_RENAMED_SINCE = 2
_NEW_NAMES = {
    "quantised_nodes": "quantized_nodes",
    "randomised_ceiling": "randomized_ceiling",
    "centre_shift": "center_shift",
    "centre_shift_px": "center_shift_px",
}


def validated(path: Path, schema: TypeAdapter[R]) -> R:
    """Return the record in a JSON file, renamed from the version before and held against its schema.

    Errors
    ------
    RecordError
        if the file is missing, not JSON, of another schema version, or not what the schema says.
    """
    raw = _upgraded(_read_json(path))
    _expect_this_version(raw, path)
    try:
        return schema.validate_json(json.dumps(raw))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            "a run record", f"{first['msg']} at {place}", where=path, remedy="Make the run again."
        ) from error


def _expect_this_version(raw: Any, path: Path) -> None:
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"a run record of schema version {SCHEMA_VERSION}",
            f"version {version}" if version is not None else "no schema version",
            where=path,
            remedy="Make the run again with this version of compress-onnx.",
        )


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


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(
            "a run's folder or its run.json", error.strerror or "no file", where=path, remedy="Check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecordError("a run record in JSON", str(error), where=path, remedy="Make the run again.") from error
