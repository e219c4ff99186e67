"""A finished run's rows of ``samples.parquet``, by candidate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compress_onnx.errors import RecordError
from compress_onnx.gate import CONTENT
from compress_onnx.gate import Columns
from compress_onnx.store import SAMPLES_FILE, load_samples


def rows_of(folder: Path, names: Sequence[str]) -> dict[str, Columns]:
    """Return the columns of the named candidates; empty where the run has no ``samples.parquet``.

    Errors
    ------
    RecordError
        if a candidate has no rows there.
    """
    columns = load_samples(folder)
    if columns is None:
        return {}
    found: dict[str, Columns] = {}
    for name in names:
        chosen = columns["candidate"] == name
        if not chosen.any():
            raise _error(f"rows of the candidate {name!r}", "none", folder)
        found[name] = {key: column[chosen] for key, column in columns.items()}
    return found


def rows_with_content(folder: Path, names: Sequence[str]) -> dict[str, Columns]:
    """Return the columns of the named candidates, content hashes among them.

    Errors
    ------
    RecordError
        if the run has none: it was made by an earlier version, or the file is gone.
    """
    found = rows_of(folder, names)
    if not found:
        raise _error("samples.parquet, to look images up", "no such file", folder)
    if any(CONTENT not in columns for columns in found.values()):
        raise _error(f"a column {CONTENT}, to look images up", "a run of an earlier version without it", folder)
    return found


def _error(expected: str, got: str, folder: Path) -> RecordError:
    return RecordError(expected, got, where=folder / SAMPLES_FILE, remedy="Make the run again.")
