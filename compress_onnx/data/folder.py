"""A directory with one folder per class, each holding that class's pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from compress_onnx.data.images import ImageSet, decoded
from compress_onnx.errors import DataError
from compress_onnx.records import DatasetInfo

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_REMEDY = "Put the pictures of each class into a folder that bears its name."


def load_folder(path: Path, *, name: str, split: str) -> ImageSet:
    """Read a class-per-folder directory: sorted folder names are the classes, paths inside are the ids.

    Files with other endings and names that begin with a dot are passed over; pictures are decoded
    when they are looked at.

    Errors
    ------
    DataError
        if there are no class folders, one of them holds no picture, or one cannot be read.
    """
    try:
        classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
        pictures = [_pictures(folder) for folder in classes]
        digest = _content_hash(pictures)
    except OSError as error:
        raise DataError(
            "a folder that can be read", error.strerror or str(error), where=error.filename or path, remedy=_REMEDY
        ) from error
    if not classes:
        got = "an empty folder" if not any(path.iterdir()) else "a folder without folders"
        raise DataError("one folder per class", got, where=path, remedy=_REMEDY)
    files = [file for of_class in pictures for file in of_class]
    return ImageSet(
        info=DatasetInfo(
            name=name, split=split, n=len(files), class_names=tuple(folder.name for folder in classes), sha256=digest
        ),
        sample_ids=np.array([file.relative_to(path).as_posix() for file in files], dtype=np.str_),
        labels=np.repeat(np.arange(len(classes), dtype=np.int64), [len(of_class) for of_class in pictures]),
        read=lambda i: decoded(_content(files[i]), str(files[i])),
    )


def _pictures(folder: Path) -> list[Path]:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not files:
        raise DataError("pictures in every class folder", "none", where=folder, remedy=_REMEDY)
    return files


def _content_hash(pictures: list[list[Path]]) -> str:
    digest = hashlib.sha256()
    for label, files in enumerate(pictures):
        for file in files:
            content = file.read_bytes()
            digest.update(len(content).to_bytes(8, "little"))
            digest.update(content)
        digest.update(f"class {label}".encode())
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(
            "a picture that can be read", error.strerror or str(error), where=file, remedy="Restore or remove it."
        ) from error
