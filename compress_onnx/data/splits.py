"""Which images calibrate: a class-balanced, seeded choice, kept as a manifest without pictures.

Disjointness from what is evaluated is checked by the content of the pictures, not by their names,
since copies of one picture travel under many names.
"""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from compress_onnx.data.images import ImageSet
from compress_onnx.errors import DataError, RecordError
from compress_onnx.files import write_text
from compress_onnx.records import record


@record
class CalibrationManifest:
    """Images that choose quantization ranges: ids, content hashes, counts per class and the seed.

    ``class_counts`` is in label order and empty where the data has no labels.
    """

    name: str
    dataset: str
    split: str
    dataset_sha256: str
    seed: int
    sample_ids: tuple[str, ...]
    sample_sha256: tuple[str, ...]
    class_counts: dict[str, int]


def class_balanced(labels: NDArray[np.int64], n: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``n`` distinct row numbers, going round the classes in random order.

    Class counts differ by at most one until a class has no rows left. ``labels`` (N,); asking for
    more than N rows returns all of them.

    >>> labels = np.array([0, 0, 0, 0, 1, 1])
    >>> chosen = class_balanced(labels, 4, rng=np.random.default_rng(0))
    >>> np.bincount(labels[chosen])
    array([2, 2])
    """
    rows = rng.permutation(len(labels))
    place = rng.permutation(int(labels.max(initial=-1)) + 1)
    turns = np.empty(len(rows), dtype=np.int64)
    for label in np.unique(labels):
        of_class = labels[rows] == label
        turns[of_class] = np.arange(np.count_nonzero(of_class))
    order = np.lexsort((place[labels[rows]], turns))
    return np.asarray(rows[order][:n], dtype=np.int64)


def choose_calibration(
    images: ImageSet, n: int, *, seed: int, exclude_sha256: frozenset[str] = frozenset()
) -> CalibrationManifest:
    """Choose ``n`` images, balanced over the classes, none of them excluded and no picture twice.

    Unlabeled sets are drawn from uniformly. ``exclude_sha256`` holds content hashes, such as
    those of the images a model is evaluated on.

    Errors
    ------
    DataError
        if fewer than ``n`` such images exist.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros(len(images), dtype=np.int64) if images.labels is None else images.labels
    chosen: dict[str, int] = {}
    for row in class_balanced(labels, len(images), rng=rng):
        if len(chosen) == n:
            break
        content = images.content_sha256(int(row))
        if content not in exclude_sha256:
            chosen.setdefault(content, int(row))
    if len(chosen) < n or n < 1:
        raise DataError(
            f"{n} images to calibrate on" if n > 0 else "a calibration of at least one image",
            f"{len(chosen)} that are distinct and not evaluated",
            where=f"{images.info.name}:{images.info.split}",
            remedy="Ask for another number or give other data.",
        )
    return _manifest(images, chosen, seed)


def _manifest(images: ImageSet, chosen: dict[str, int], seed: int) -> CalibrationManifest:
    info = images.info
    # Sorted rows: the manifest reads in the data's order, and calibration ranges know no order.
    rows = sorted((row, content) for content, row in chosen.items())
    counts = {}
    if images.labels is not None:
        labels = images.labels[[row for row, _ in rows]]
        counts = {name: int(np.count_nonzero(labels == c)) for c, name in enumerate(info.class_names)}
    return CalibrationManifest(
        name=f"{info.name}-{info.split}-{len(rows)}-seed{seed}",
        dataset=info.name,
        split=info.split,
        dataset_sha256=info.sha256,
        seed=seed,
        sample_ids=tuple(str(images.sample_ids[row]) for row, _ in rows),
        sample_sha256=tuple(content for _, content in rows),
        class_counts=counts,
    )


def calibration_images(manifest: CalibrationManifest, images: ImageSet) -> ImageSet:
    """Return the images a manifest names, in its order, after checking their content.

    Errors
    ------
    DataError
        if an image is missing from ``images`` or its pixels are not the ones that were chosen.
    """
    row_of = {str(name): row for row, name in enumerate(images.sample_ids)}
    where = f"{images.info.name}:{images.info.split}, manifest {manifest.name}"
    rows = []
    for name, content in zip(manifest.sample_ids, manifest.sample_sha256, strict=True):
        row = row_of.get(name)
        if row is None or images.content_sha256(row) != content:
            raise DataError(
                f"the picture {name} of the manifest",
                "no such id" if row is None else "other pixels under that id",
                where=where,
                remedy="Choose calibration images from this data anew.",
            )
        rows.append(row)
    return images.subset(np.array(rows, dtype=np.int64), split=f"{images.info.split}/calibration")


def check_disjoint(manifest: CalibrationManifest, evaluated: AbstractSet[str], *, where: str) -> None:
    """Raise if a calibration picture is also evaluated, whatever its name there; ``evaluated`` holds content hashes.

    Errors
    ------
    DataError
        with the number of shared pictures and the id of one.
    """
    calibrating = dict(zip(manifest.sample_sha256, manifest.sample_ids, strict=True))
    shared = [calibrating[c] for c in sorted(evaluated & calibrating.keys())]
    if shared:
        raise DataError(
            "calibration images that are not evaluated",
            f"{len(shared)} in both, such as {shared[0]}",
            where=f"manifest {manifest.name}, {where}",
            remedy="Calibrate on other images, such as the training split.",
        )


_REMEDY = "Choose calibration images anew."
_ADAPTER = TypeAdapter(CalibrationManifest)


def save_manifest(path: Path, manifest: CalibrationManifest) -> None:
    """Write a manifest whole or not at all."""
    write_text(path, manifest_text(manifest))


def manifest_text(manifest: CalibrationManifest) -> str:
    """Return a manifest as JSON, one field per line."""
    fields = _ADAPTER.dump_python(manifest, mode="json")
    lines = [f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in fields.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def load_manifest(path: Path) -> CalibrationManifest:
    """Read and validate a manifest.

    Errors
    ------
    RecordError
        if the file is missing, not JSON, or not what :class:`CalibrationManifest` says.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or (
            "broken text" if isinstance(error, UnicodeDecodeError) else "no file"
        )
        raise RecordError("a calibration manifest", got, where=path, remedy=_REMEDY) from error
    return manifest_of_text(text, where=path)


def manifest_of_text(text: str, *, where: object) -> CalibrationManifest:
    """Return the manifest that a text holds.

    Errors
    ------
    RecordError
        if it is not JSON, or not what :class:`CalibrationManifest` says.
    """
    try:
        manifest = _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise RecordError(
            "a calibration manifest", f"{first['msg']} in {field}", where=where, remedy=_REMEDY
        ) from error
    if len(manifest.sample_ids) != len(manifest.sample_sha256):
        raise RecordError(
            "one hash for every id",
            f"{len(manifest.sample_ids)} ids and {len(manifest.sample_sha256)} hashes",
            where=where,
            remedy=_REMEDY,
        )
    return manifest
