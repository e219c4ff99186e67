"""``flips.lock``: images that a model line must not lose again, by the hash of their pixels.

A text file of JSON lines, sorted by hash so that a diff shows what came and went::

    {"format": "compress-onnx flips.lock", "version": 1}
    {"sha256": "0f…", "class": "stop", "label": 14, "sample": "00012", "why": "lost by w8a8 in 20260102-…"}

An image enters when a previous candidate lost it (the baseline was right, the candidate wrong) and
every candidate of the present run gets it right, or when its sample id is named by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compress_onnx.errors import RecordError
from compress_onnx.gate.shift import Columns
from compress_onnx.records import CheckKind, GateCheck, Outcome, record

FORMAT = "compress-onnx flips.lock"
VERSION = 1
CONTENT = "content_sha256"
_FIELDS = {"sha256": str, "class": str, "label": int, "sample": str, "why": str}
_SHA256 = re.compile("[0-9a-f]{64}")
# How many lost images a reason names.
_SHOWN = 5


@record
class LockedImage:
    """One image: hash of its decoded pixels, its class, the sample id last seen, and why it is locked."""

    sha256: str
    class_name: str
    label: int
    sample_id: str
    why: str


def lock_text(images: Iterable[LockedImage]) -> str:
    """Return the lock file's text, one image per line, sorted by hash, each once.

    >>> image = LockedImage(sha256="0f", class_name="stop", label=14, sample_id="7", why="by hand")
    >>> print(lock_text([image, image]), end="")
    {"format": "compress-onnx flips.lock", "version": 1}
    {"sha256": "0f", "class": "stop", "label": 14, "sample": "7", "why": "by hand"}
    """
    lines = [json.dumps({"format": FORMAT, "version": VERSION})]
    once = {image.sha256: image for image in images}
    for _, image in sorted(once.items()):
        fields = {"sha256": image.sha256, "class": image.class_name, "label": image.label}
        lines.append(json.dumps({**fields, "sample": image.sample_id, "why": image.why}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def read_lock(path: Path) -> tuple[LockedImage, ...]:
    """Read a lock file.

    Errors
    ------
    RecordError
        if it is missing, of another version, or a line is not what the format says.
    """
    try:
        # Not splitlines: a name may hold what it takes for the end of a line.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(
            "a flips.lock file",
            getattr(error, "strerror", None) or "bytes that are no text",
            where=path,
            remedy="Write one with: compress-onnx gate RUN --against OLD_RUN --write-lock flips.lock.",
        ) from error
    head = _parsed(lines[0] if lines else "", f"{path}, line 1")
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise RecordError(
            f'a first line with "format": "{FORMAT}", "version": {VERSION}',
            lines[0][:80] if lines else "an empty file",
            where=path,
            remedy="Restore the file, or write it again with this version of compress-onnx.",
        )
    numbered = [(line, f"{path}, line {number}") for number, line in enumerate(lines[1:], start=2) if line.strip()]
    return tuple(_image(line, where) for line, where in numbered)


def _image(line: str, where: str) -> LockedImage:
    fields = _parsed(line, where)
    wrong = [key for key, kind in _FIELDS.items() if type(fields.get(key)) is not kind] or sorted(
        fields.keys() - _FIELDS
    )
    if not wrong and not _SHA256.fullmatch(fields["sha256"]):
        wrong = ["sha256"]
    if wrong:
        raise RecordError(
            "texts sha256 (64 hexadecimal digits), class, sample and why, and a number label",
            f"{wrong[0]} = {fields.get(wrong[0])!r}",
            where=where,
            remedy="Repair or delete this line.",
        )
    return LockedImage(
        sha256=fields["sha256"],
        class_name=fields["class"],
        label=fields["label"],
        sample_id=fields["sample"],
        why=fields["why"],
    )


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise RecordError("a JSON object", line[:60] or "an empty line", where=where, remedy="Repair it.") from error
    if not isinstance(value, dict):
        raise RecordError("a JSON object", line[:60], where=where, remedy="Repair it.")
    return value


def lock_check(locked: Sequence[LockedImage], columns: Columns, class_names: Sequence[str], name: str) -> GateCheck:
    """Return whether a candidate still gets every locked image of this run's data right.

    ``columns`` are the candidate's rows with their ``content_sha256``. Images that the data set
    does not hold are counted and said; if it holds none of them, nothing is decided.

    Errors
    ------
    RecordError
        if a locked image is of a class that the run does not know.
    """
    predicted = _predicted_classes(columns)
    present = [image for image in locked if image.sha256 in predicted]
    lost = [image for image in present if predicted[image.sha256] != {_label(image, class_names)}]
    outcome = Outcome.FAIL if lost else Outcome.PASS if present or not locked else Outcome.INCONCLUSIVE
    words = f"lost {len(lost)} of {len(present)}" if present else "none is in this data set"
    absent = len(locked) - len(present)
    missing = f"; {absent} {'is' if absent == 1 else 'are'} not in this data set" if absent and present else ""
    return GateCheck(
        rule=f"flips.lock: {len(locked)} image{'' if len(locked) == 1 else 's'}",
        candidate=name,
        observed=float(len(lost)) if present else None,
        interval=None,
        outcome=outcome,
        reason=f"{words}{_named(lost)}{missing}",
        samples_needed=None,
        advice="" if outcome is not Outcome.INCONCLUSIVE else "compare on the data set that the lock was written for",
        kind=CheckKind.LOCK,
    )


def _predicted_classes(columns: Columns) -> dict[str, set[int]]:
    """Return the classes that were predicted for each content; equal pictures may stand more than once."""
    classes: dict[str, set[int]] = {}
    for content, predicted in zip(columns[CONTENT].tolist(), columns["candidate_class"].tolist(), strict=True):
        classes.setdefault(content, set()).add(predicted)
    return classes


def _label(image: LockedImage, class_names: Sequence[str]) -> int:
    if not class_names:
        # Unlabeled images name no classes; the model still numbers them as it did.
        return image.label
    if image.class_name not in class_names:
        raise RecordError(
            f"the class {image.class_name!r} of locked image {image.sha256[:12]}",
            f"{len(class_names)} classes without it",
            where="flips.lock",
            remedy="Use the lock of this model line.",
        )
    return list(class_names).index(image.class_name)


def _named(lost: Sequence[LockedImage]) -> str:
    if not lost:
        return ""
    shown = ", ".join(f"{image.sample_id} ({image.class_name})" for image in lost[:_SHOWN])
    return f": {shown}" + (f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else "")


def won_images(sides: Sequence[Columns], class_names: Sequence[str]) -> dict[str, LockedImage]:
    """Return the images that the baseline and every candidate of a run get right, by content hash."""
    right = None
    for columns in sides:
        both = (columns["baseline_class"] == columns["label"]) & (columns["candidate_class"] == columns["label"])
        right = both if right is None else right & both
    if right is None:
        return {}
    first = sides[0]
    rows = zip(
        first[CONTENT][right].tolist(), first["label"][right].tolist(), first["sample_id"][right].tolist(), strict=True
    )
    return {
        content: LockedImage(sha256=content, class_name=class_names[label], label=label, sample_id=sample, why="")
        for content, label, sample in rows
    }


def extended(
    locked: Iterable[LockedImage], won: Mapping[str, LockedImage], why: Mapping[str, str]
) -> tuple[LockedImage, ...]:
    """Return the locked images and those won ones that there is a reason for, ``why`` by content hash."""
    before = {image.sha256: image for image in locked}
    new = {
        content: LockedImage(
            sha256=content,
            class_name=image.class_name,
            label=image.label,
            sample_id=image.sample_id,
            why=why[content],
        )
        for content, image in won.items()
        if content in why
    }
    return tuple((new | before).values())
