"""Extend a ``flips.lock``: images that an earlier candidate lost and every candidate of this run wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compress_onnx.compare.run import RunResults, stored_run
from compress_onnx.errors import OptionError, RecordError
from compress_onnx.files import write_text
from compress_onnx.gate import CONTENT, Columns, LockedImage, extended, lock_text, read_lock, won_images
from compress_onnx.records import FlipKind, RunRecord
from compress_onnx.registry import unknown


def extend_lock(path: Path, run: RunResults, *, against: Path | None, samples: Sequence[str]) -> tuple[int, int]:
    """Write the lock file, images already locked kept, and return how many it holds and how many are new.

    Locked are the images that a candidate of the run ``against`` lost and that the baseline and
    every candidate of ``run`` get right, and the ``samples`` named by hand.

    Errors
    ------
    OptionError
        if neither is given, or a named sample is not predicted right by all.
    UnknownNameError
        if a named sample is not in the run.
    RecordError
        if a run has no rows to look images up in.
    """
    if against is None and not samples:
        raise OptionError(
            "--against OLD_RUN or --lock-sample ID beside --write-lock",
            "neither",
            remedy="A lock holds images that an earlier run lost, or that you name.",
        )
    rows = list(run.rows_with_content(list(run.comparisons)).values())
    won = won_images(rows, run.record.dataset.class_names)
    why = dict.fromkeys(_named(samples, rows[0], won), f"named by hand in {run.record.run_id}")
    if against is not None:
        why = _lost(stored_run(against), (run.record, rows[0])) | why
    locked = read_lock(path) if path.exists() else ()
    found = extended(locked, won, why)
    write_text(path, lock_text(found))
    return len(found), len(found) - len({image.sha256 for image in locked})


def _named(samples: Sequence[str], rows: Columns, won: dict[str, LockedImage]) -> list[str]:
    """Return the content hashes of the samples named by hand."""
    contents = dict(zip(rows["sample_id"].tolist(), rows[CONTENT].tolist(), strict=True))
    for sample in samples:
        if sample not in contents:
            raise unknown("sample of this run", sample, list(contents)[:10])
        if contents[sample] not in won:
            raise OptionError(
                "a sample that the baseline and every candidate get right",
                f"{sample}, which one of them gets wrong",
                remedy="Leave it out of the lock.",
            )
    return [contents[sample] for sample in samples]


def _lost(before: RunResults, now: tuple[RunRecord, Columns]) -> dict[str, str]:
    """Return why each image that a candidate of the earlier run lost is locked, by content hash."""
    rows = before.rows(list(before.comparisons))
    key, contents = CONTENT, {}
    if any(CONTENT not in columns for columns in rows.values()) or not rows:
        if not rows or before.record.dataset.sha256 != now[0].dataset.sha256:
            raise RecordError(
                f"rows with a column {CONTENT}, or the same data set",
                "neither",
                where=before.folder,
                remedy="Make the earlier run again.",
            )
        key = "sample_id"
        contents = dict(zip(now[1]["sample_id"].tolist(), now[1][CONTENT].tolist(), strict=True))
    return {
        contents.get(image, image): f"lost by {name} in {before.record.run_id}"
        for name, columns in rows.items()
        for image in columns[key][columns["flip_kind"] == FlipKind.NEGATIVE.value].tolist()
    }
