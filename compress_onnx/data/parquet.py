"""Parquet files in the Hugging Face image layout: read them as an image set, write them once.

One row per picture: ``image`` is a struct of ``bytes`` and ``path``, ``label`` an integer, and the
class names stand in the ``huggingface`` schema metadata. Other columns are ignored, but for
``track``, which marks near-identical frames of one object within a class.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from compress_onnx.data.images import ImageSet, decoded, named_classes, valid_labels
from compress_onnx.errors import DataError
from compress_onnx.files import written_whole
from compress_onnx.records import DatasetInfo

_ROWS_AT_ONCE = 2_048


def load_parquet(path: Path, *, name: str, split: str) -> ImageSet:
    """Read a Parquet file of pictures; each is decoded when it is looked at.

    Sample ids are the pictures' paths where these are given and unique, else the row numbers.
    ``groups`` numbers the distinct pairs of label and ``track`` where that column exists.

    Errors
    ------
    DataError
        if the file is missing, not Parquet, of another layout, empty, or a label is out of range.
    """
    table = _table(path)
    encoded = _encoded(table, path)
    labels, class_names = _labels(table, path)
    return ImageSet(
        info=DatasetInfo(
            name=name, split=split, n=len(encoded), class_names=class_names, sha256=_content_hash(encoded, labels)
        ),
        sample_ids=_sample_ids(table),
        labels=labels,
        read=lambda i: decoded(encoded[i], f"{path}, row {i}"),
        groups=_groups(table, labels),
    )


def _table(path: Path) -> Any:
    if not path.is_file():
        raise DataError("a Parquet file", "no file", where=path, remedy="Check the path.")
    try:
        file = pq.ParquetFile(path)
        wanted = [c for c in ("image", "label", "track") if c in file.schema_arrow.names]
        return file.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            "a whole Parquet file",
            str(error).splitlines()[0][:120],
            where=path,
            remedy="Fetch or write the file again.",
        ) from error


def _encoded(table: Any, path: Path) -> list[bytes]:
    kind = table.schema.field("image").type if "image" in table.column_names else None
    if kind is None or not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise DataError(
            "a column `image` with the field `bytes`",
            f"`image` of type {kind}" if kind else f"the columns {', '.join(table.column_names) or 'none known'}",
            where=path,
            remedy="Store the pictures in the Hugging Face image layout.",
        )
    if table.num_rows == 0:
        raise DataError("at least one picture", "no rows", where=path, remedy="Give a file with pictures.")
    pictures = [row["bytes"] for row in table["image"].to_pylist() if row and isinstance(row["bytes"], bytes)]
    if len(pictures) < table.num_rows:
        raise DataError(
            "bytes in every row of `image`",
            f"{table.num_rows - len(pictures)} rows without",
            where=path,
            remedy="Embed the pictures.",
        )
    return pictures


def _labels(table: Any, path: Path) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    names = _class_names(table.schema.metadata or {})
    if "label" not in table.column_names:
        return None, names
    column = table["label"]
    if not pa.types.is_integer(column.type) or column.null_count:
        raise DataError(
            "an integer in every row of `label`",
            f"{column.null_count} empty rows" if column.null_count else str(column.type),
            where=path,
            remedy="Number the classes from 0.",
        )
    labels = column.to_numpy().astype(np.int64)
    names = names or named_classes(labels)
    return valid_labels(labels, names, where=path), names


def _class_names(metadata: dict[bytes, bytes]) -> tuple[str, ...]:
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return tuple(str(name) for name in features["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()


def _sample_ids(table: Any) -> NDArray[np.str_]:
    paths = [row.get("path") for row in table["image"].to_pylist()]
    unique = all(paths) and len(set(paths)) == len(paths)
    return np.array(paths if unique else [str(i) for i in range(len(paths))], dtype=np.str_)


def _groups(table: Any, labels: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if "track" not in table.column_names or table["track"].null_count:
        return None
    tracks = table["track"].to_numpy().astype(np.int64)
    pairs = np.stack([np.zeros_like(tracks) if labels is None else labels, tracks], axis=1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _content_hash(encoded: list[bytes], labels: NDArray[np.int64] | None) -> str:
    digest = hashlib.sha256()
    for picture in encoded:
        # The length keeps two pictures from hashing like one longer picture.
        digest.update(len(picture).to_bytes(8, "little"))
        digest.update(picture)
    if labels is not None:
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def save_parquet(path: Path, rows: Iterable[dict[str, Any]], *, class_names: tuple[str, ...]) -> None:
    """Write rows ``{"image": {"bytes", "path"}, "label": int}``, perhaps with ``track``, whole or not at all.

    All rows hold the same keys; rows are streamed, so memory does not grow with their number.
    """
    with written_whole(path) as part:
        writer: pq.ParquetWriter | None = None
        for chunk in _chunks(rows):
            schema = _schema("track" in chunk[0], class_names)
            writer = writer or pq.ParquetWriter(part, schema)
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
        if writer is None:
            raise DataError("at least one picture", "none", where=path, remedy="Give rows to write.")
        writer.close()


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _ROWS_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _schema(with_track: bool, class_names: tuple[str, ...]) -> Any:  # noqa: FBT001  # private, one caller
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(class_names), "_type": "ClassLabel"},
    }
    fields = [pa.field("image", pa.struct({"bytes": pa.binary(), "path": pa.string()})), pa.field("label", pa.int64())]
    if with_track:
        features["track"] = {"dtype": "int64", "_type": "Value"}
        fields.append(pa.field("track", pa.int64()))
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})
