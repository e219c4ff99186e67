"""One row per sample and candidate in ``samples.parquet``, and the pictures shown in ``pictures.parquet``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from compress_onnx.errors import RecordError
from compress_onnx.files import written_whole

SAMPLES_FILE = "samples.parquet"
PICTURES_FILE = "pictures.parquet"

_PICTURES = pa.schema([("sample_id", pa.string()), ("artifact", pa.string()), ("png", pa.binary())])


@contextlib.contextmanager
def samples_written(folder: Path) -> Iterator[Callable[[Mapping[str, NDArray[Any]]], None]]:
    """Yield what writes one candidate's rows into ``samples.parquet``: equally long columns, one row per sample.

    Rows go to disk as they come; the file is there, whole, after the block.
    """
    with _written_table(folder / SAMPLES_FILE) as write:
        yield lambda columns: write(pa.table({name: pa.array(values) for name, values in columns.items()}))


def load_samples(folder: Path) -> dict[str, NDArray[Any]] | None:
    """Read ``samples.parquet`` as columns, ``None`` if it is not there; those of schema version 2 are renamed."""
    table = _load_table(folder / SAMPLES_FILE)
    return None if table is None else _upgraded({name: table[name].to_numpy() for name in table.column_names})


def _upgraded(columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the columns with the kind of flips without labels under the name it has since schema version 3."""
    kinds = columns.get("flip_kind")
    if kinds is None:
        return columns
    return columns | {"flip_kind": np.where(kinds == "unlabelled", "unlabeled", kinds)}


@contextlib.contextmanager
def pictures_written(folder: Path) -> Iterator[Callable[[Mapping[tuple[str, str], bytes]], None]]:
    """Yield what writes pictures into ``pictures.parquet``: PNG bytes by (sample id, artifact name).

    The picture itself has the empty artifact name; a saliency map has its artifact's. What was
    written before is left out. The file is there, whole, after the block.
    """
    written: set[tuple[str, str]] = set()
    with _written_table(folder / PICTURES_FILE) as write:

        def write_new(pictures: Mapping[tuple[str, str], bytes]) -> None:
            keys = sorted(pictures.keys() - written)
            written.update(keys)
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
