"""A set of labeled or unlabeled images that is decoded only where it is looked at."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from compress_onnx.data.preprocess import preprocess, resized
from compress_onnx.errors import DataError
from compress_onnx.files import sha256_of
from compress_onnx.records import DatasetInfo, Preprocessing
from compress_onnx.registry import unknown

BATCH = 256
SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet:
    """N images behind one function, with ids and labels.

    ``labels`` (N,) int64 or ``None``; ``sample_ids`` (N,) str, unique; ``groups`` (N,) int64 marks
    near-identical frames that must stay on one side of a split, or ``None``; ``read(i)`` returns
    picture *i* as (H, W, 3) uint8 RGB.
    """

    info: DatasetInfo
    sample_ids: NDArray[np.str_]
    labels: NDArray[np.int64] | None
    read: Callable[[int], NDArray[np.uint8]]
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.sample_ids)

    def subset(self, indices: NDArray[np.int64], *, split: str) -> ImageSet:
        """Return the chosen images, in that order, under another split's name."""
        read = self.read
        ids = self.sample_ids[indices]
        return ImageSet(
            info=dataclasses.replace(
                self.info,
                split=split,
                n=len(indices),
                sha256=sha256_of(self.info.sha256.encode(), "\0".join(ids).encode()),
            ),
            sample_ids=ids,
            labels=None if self.labels is None else self.labels[indices],
            read=lambda i: read(int(indices[i])),
            groups=None if self.groups is None else self.groups[indices],
        )

    def pixels(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        """Return images ``start`` to ``stop`` resized to the model's size, (B, H, W, 3) uint8."""
        size = (preprocessing.height, preprocessing.width)
        return np.stack([resized(self.read(i), size) for i in range(start, stop)])

    def inputs(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Return images ``start`` to ``stop`` as model inputs, (B, C, H, W) or (B, H, W, C) float32."""
        return preprocess(self.pixels(start, stop, preprocessing), preprocessing)

    def batches(self, preprocessing: Preprocessing, size: int = BATCH) -> Iterator[NDArray[np.float32]]:
        """Yield the whole set as model inputs, (B, C, H, W) or (B, H, W, C) float32, in order."""
        for start in range(0, len(self), size):
            yield self.inputs(start, min(start + size, len(self)), preprocessing)

    @property
    def own_form(self) -> Preprocessing | None:
        """How the images are fed where they are model inputs already, ``None`` for pictures."""
        return None

    def seen_by(self, preprocessing: Preprocessing) -> ImageSet:
        """Return the set as a model with this preprocessing sees it: pictures are pictures to any model."""
        del preprocessing
        return self

    def content_sha256(self, index: int) -> str:
        """Return the hash of one picture's decoded pixels: equal pictures, equal hash, in any format."""
        return pixels_sha256(self.read(index))


def pixels_sha256(picture: NDArray[np.uint8]) -> str:
    """Return the hash of a decoded picture (H, W, 3) uint8, size included."""
    return sha256_of(repr(picture.shape).encode(), picture.tobytes())


def decoded(content: bytes, where: str) -> NDArray[np.uint8]:
    """Decode an encoded picture into (H, W, 3) uint8 RGB.

    Errors
    ------
    DataError
        if the bytes are not a whole picture.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            # Loading first: numpy would hide what goes wrong inside.
            picture.load()
            # Converting RGB to RGB would copy every pixel.
            return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            "a picture that decodes",
            str(error).replace(f"{content!r}", "broken bytes")[:120],
            where=where,
            remedy="Replace or remove this picture.",
        ) from error


def checked_split(name: str, split: str) -> str:
    """Return ``split`` if it is one of the two that named data sets have, ``train`` and ``test``."""
    if split not in SPLITS:
        raise unknown("split", split, SPLITS, where=f"{name}:{split}")
    return split


def named_classes(labels: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the names ``0`` to the largest label, for data that names no classes.

    >>> named_classes(np.array([2, 0]))
    ('0', '1', '2')
    """
    return tuple(str(label) for label in range(int(labels.max(initial=-1)) + 1))


def valid_labels(labels: NDArray[np.int64], class_names: tuple[str, ...], *, where: object) -> NDArray[np.int64]:
    """Return ``labels`` (N,) if each is the index of a class name.

    Errors
    ------
    DataError
        if a label is negative or not below the number of class names.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= len(class_names)))
    if wrong.size:
        raise DataError(
            f"labels from 0 to {len(class_names) - 1}",
            f"{labels[wrong[0]]} in row {wrong[0]}",
            where=where,
            remedy="Number the classes from 0 and name each of them.",
        )
    return labels
