"""Image sets from arrays: pictures (N, H, W, 3) uint8, perhaps with labels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.data.images import ImageSet, named_classes, valid_labels
from compress_onnx.errors import DataError
from compress_onnx.files import sha256_of
from compress_onnx.records import DatasetInfo


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What arrays are called in records, and what sentences about them name and advise."""

    name: str
    split: str = "all"
    where: object = ""
    remedy: str = ""


def picture_set(
    images: NDArray[Any] | None, labels: NDArray[Any] | None, *, class_names: tuple[str, ...] = (), source: Source
) -> ImageSet:
    """Return pictures (N, H, W, 3) or (N, H, W) uint8 and labels (N,) integers as an image set.

    Gray pictures become RGB with equal channels; sample ids are the row numbers.

    Errors
    ------
    DataError
        if an array is of another type or shape, or a label has no class name.
    """
    pixels = _pictures(images, source)
    numbers = None if labels is None else checked_labels(labels, len(pixels), source)
    if numbers is not None:
        class_names = class_names or named_classes(numbers)
        numbers = valid_labels(numbers, class_names, where=source.where)
    digest = sha256_of(
        repr(pixels.shape).encode(), pixels.tobytes(), b"" if numbers is None else numbers.astype("<i8").tobytes()
    )
    return ImageSet(
        info=DatasetInfo(name=source.name, split=source.split, n=len(pixels), class_names=class_names, sha256=digest),
        sample_ids=row_ids(len(pixels)),
        labels=numbers,
        read=lambda row: _rgb(pixels[row]),
    )


def row_ids(n: int) -> NDArray[np.str_]:
    """Return the sample ids of images that have none: their row numbers, (N,) str."""
    return np.array([str(row) for row in range(n)], dtype=np.str_)


def checked_labels(labels: NDArray[Any], n: int, source: Source) -> NDArray[np.int64]:
    """Return labels (N,) as int64.

    Errors
    ------
    DataError
        unless they are ``n`` integers; rows of zeros and one 1 are named as what they are.
    """
    if labels.dtype.kind in "iu" and labels.shape == (n,):
        return labels.astype(np.int64)
    one_hot = labels.ndim == 2 and len(labels) == n and labels.shape[1] > 1
    raise DataError(
        f"`labels` as integers of shape ({n},)",
        f"{labels.dtype} of shape {labels.shape}{', which look one-hot' if one_hot else ''}",
        where=source.where,
        remedy="Give the number of each class: labels.argmax(axis=1)." if one_hot else source.remedy,
    )


def _pictures(images: NDArray[Any] | None, source: Source) -> NDArray[np.uint8]:
    got = "no such array" if images is None else f"{images.dtype} of shape {images.shape}"
    rgb = images is not None and images.ndim == 4 and images.shape[3] == 3
    if images is None or images.dtype != np.uint8 or not (rgb or images.ndim == 3) or images.size == 0:
        raise DataError("`images` as uint8 (N, H, W, 3) or (N, H, W)", got, where=source.where, remedy=source.remedy)
    return images.astype(np.uint8, copy=False)


def _rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
