"""A finished comparison: its record, predictions, rows of samples and pictures; made in memory or read from its folder."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compress_onnx.errors import RecordError
from compress_onnx.files import filled_whole
from compress_onnx.gate import CONTENT, Columns
from compress_onnx.records import Comparison, Predictions, RunRecord, SaliencyMaps
from compress_onnx.store import (
    SAMPLES_FILE,
    load_run,
    load_samples,
    pictures_written,
    run_file,
    samples_written,
    save_predictions,
    save_run,
    save_saliency_maps,
)


@dataclasses.dataclass(kw_only=True, eq=False)
class RunResults:
    """What a comparison found.

    ``predictions`` are those of every model by name; ``columns`` the rows of ``samples.parquet``, one set per candidate
    in the record's order, empty where a stored run has lost them; ``pictures`` PNG bytes by (sample id, artifact name),
    the picture itself under the empty name; ``saliency`` each candidate's mean maps and examples. ``folder`` is where it
    is stored, ``None`` while it lives in memory. Of a run that was read from its folder only the record and the rows
    are here.
    """

    record: RunRecord
    columns: Sequence[Columns] = ()
    predictions: Mapping[str, Predictions] = dataclasses.field(default_factory=dict)
    pictures: Mapping[tuple[str, str], bytes] = dataclasses.field(default_factory=dict)
    saliency: Mapping[str, SaliencyMaps] = dataclasses.field(default_factory=dict)
    folder: Path | None = None

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """What was found of each candidate, by its name."""
        return {comparison.candidate_name: comparison for comparison in self.record.comparisons}

    def samples(self) -> pa.Table:
        """Return one row per sample and candidate: classes, confidences, margins, flip kind, saliency deviation.

        Errors
        ------
        RecordError
            if the run was read from a folder that has lost its rows.
        """
        if not self.columns:
            raise self._lost("samples.parquet", "no such file")
        return pa.concat_tables([pa.table({name: pa.array(v) for name, v in part.items()}) for part in self.columns])

    def rows(self, names: Sequence[str]) -> dict[str, Columns]:
        """Return the columns of the named candidates; empty where the run has lost its rows.

        Errors
        ------
        RecordError
            if a candidate has no rows there.
        """
        if not self.columns:
            return {}
        by_name = {str(part["candidate"][0]): part for part in self.columns if len(part["candidate"])}
        for name in names:
            if name not in by_name:
                raise self._lost(f"rows of the candidate {name!r}", "none")
        return {name: by_name[name] for name in names}

    def rows_with_content(self, names: Sequence[str]) -> dict[str, Columns]:
        """Return the columns of the named candidates, content hashes among them.

        Errors
        ------
        RecordError
            if the run has none: it was made by an earlier version, or the file is gone.
        """
        rows = self.rows(names)
        if not rows:
            raise self._lost("samples.parquet, to look images up", "no such file")
        if any(CONTENT not in columns for columns in rows.values()):
            raise self._lost(f"a column {CONTENT}, to look images up", "a run of an earlier version without it")
        return rows

    def _lost(self, expected: str, got: str) -> RecordError:
        where = "the run" if self.folder is None else self.folder / SAMPLES_FILE
        return RecordError(expected, got, where=where, remedy="Make the run again.")

    def _repr_html_(self) -> str:
        from compress_onnx.report import summary_rows

        rows = summary_rows(self.record)
        heads = ("candidate", "accuracy", "flips", "worst class", "saliency", "latency", "size")
        cells = [
            (
                row.candidate,
                f"{row.accuracy} {row.accuracy_change}",
                row.flips,
                row.worst_class,
                row.saliency,
                f"{row.p50} {row.speedup}",
                f"{row.file_size}, {row.zipped_size} zipped",
            )
            for row in rows
        ]
        data = self.record.dataset
        baseline = rows[0].accuracy_baseline if rows else "unknown"
        caption = f"{data.name} ({data.split}, {data.n} images), baseline accuracy {baseline}"
        return _table(caption, [heads, *cells])


def _table(caption: str, rows: Sequence[Sequence[str]]) -> str:
    head, *body = ["".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in row) for tag, row in _tagged(rows)]
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _tagged(rows: Sequence[Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    return [("td" if number else "th", row) for number, row in enumerate(rows)]


def save_new(run: RunResults, folder: Path) -> RunResults:
    """Write a run's folder, whole or not at all, and return the run as stored.

    Writes ``predictions/``, ``samples.parquet``, ``pictures.parquet``, the saliency maps and, last, ``run.json``.

    Errors
    ------
    OutputError
        if the folder cannot be written.
    """
    with filled_whole(folder) as part:
        for name, predictions in run.predictions.items():
            save_predictions(predictions, part / "predictions" / f"{name}.npz")
        for name, maps in run.saliency.items():
            save_saliency_maps(maps, part, name)
        with samples_written(part) as write_samples:
            for columns in run.columns:
                write_samples(columns)
        with pictures_written(part) as write_pictures:
            write_pictures(run.pictures)
    save_run(run.record, folder)
    return dataclasses.replace(run, folder=folder)


def stored_run(run: Path) -> RunResults:
    """Read a run's record and rows, given its folder or its ``run.json``.

    Errors
    ------
    RecordError
        if the record or the rows are missing or broken.
    """
    record, folder = load_run(run), run_file(run).parent
    return RunResults(record=record, columns=_parts(load_samples(folder)), folder=folder)


def _parts(columns: Mapping[str, NDArray[Any]] | None) -> tuple[Columns, ...]:
    """Return the rows of each candidate, in the order in which they stand."""
    if columns is None:
        return ()
    names = list(dict.fromkeys(columns["candidate"].tolist()))
    return tuple(_chosen(columns, columns["candidate"] == name) for name in names)


def _chosen(columns: Mapping[str, NDArray[Any]], rows: NDArray[np.bool_]) -> Columns:
    return {key: column[rows] for key, column in columns.items()}
