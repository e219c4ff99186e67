"""Pictures decoded once, however many models look at them, with bounded memory."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from compress_onnx.data.images import BATCH, ImageSet, pixels_sha256
from compress_onnx.data.inputs import InputSet
from compress_onnx.data.mapping import IN_MEMORY_BYTES, mapped_empty
from compress_onnx.data.preprocess import preprocess, resized
from compress_onnx.records import Preprocessing

Size = tuple[int, int]


class DecodedImages:
    """The pixels of an image set at the sizes its models take; each picture is decoded at most once.

    Made by :func:`decoded_once`. Several threads may ask at a time for rows that do not overlap.
    """

    def __init__(self, images: ImageSet, stores: dict[Size, NDArray[np.uint8]]) -> None:
        self.images = images
        self._stores = stores
        self._known = np.zeros(len(images), dtype=np.bool_)
        self._hashes = np.empty(len(images), dtype="U64")

    def inputs(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Return images ``start`` to ``stop`` as model inputs, as :meth:`ImageSet.batches` would make them."""
        return preprocess(self._pixels(start, stop, preprocessing), preprocessing)

    def content_hashes(self) -> NDArray[np.str_]:
        """Return the hash of every picture's pixels before resizing, (N,) str of 64 hexadecimal digits.

        See :meth:`ImageSet.content_sha256`; what no model has looked at yet is decoded now.
        """
        for start in range(0, len(self.images), BATCH):
            self._decode(start, min(start + BATCH, len(self.images)))
        return self._hashes

    def sized(self, preprocessing: Preprocessing) -> ImageSet:
        """Return the set with its pictures at the size that a model takes, for as long as the block lasts."""
        return dataclasses.replace(self.images, read=lambda row: self._pixels(row, row + 1, preprocessing)[0])

    def _pixels(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        if not self._known[start:stop].all():
            self._decode(start, stop)
        return self._stores[preprocessing.height, preprocessing.width][start:stop]

    def _decode(self, start: int, stop: int) -> None:
        for row in start + np.flatnonzero(~self._known[start:stop]):
            picture = self.images.read(int(row))
            for size, store in self._stores.items():
                store[row] = resized(picture, size)
            self._hashes[row] = pixels_sha256(picture)
        self._known[start:stop] = True


class UndecodedImages(DecodedImages):
    """Model inputs, which need no decoding."""

    def inputs(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Return rows ``start`` to ``stop`` as they are."""
        return self.images.inputs(start, stop, preprocessing)

    def content_hashes(self) -> NDArray[np.str_]:
        """Return the hash of every picture that an input would have been made from, (N,) str."""
        return np.array([self.images.content_sha256(row) for row in range(len(self.images))], dtype="U64")

    def sized(self, preprocessing: Preprocessing) -> ImageSet:
        """Return the set itself."""
        del preprocessing
        return self.images


@contextlib.contextmanager
def decoded_once(
    images: ImageSet, forms: Iterable[Preprocessing], *, in_memory_bytes: int = IN_MEMORY_BYTES
) -> Iterator[DecodedImages]:
    """Yield the images for models that take ``forms``; nothing is decoded before it is asked for.

    Pixels are kept in memory up to ``in_memory_bytes``, beyond that in temporary files that are gone
    after the block.
    """
    if isinstance(images, InputSet):
        yield UndecodedImages(images, {})
        return
    sizes = sorted({(form.height, form.width) for form in forms})
    needed = sum(len(images) * height * width * 3 for height, width in sizes)
    empty = np.empty if needed <= in_memory_bytes else mapped_empty
    yield DecodedImages(images, {size: empty((len(images), *size, 3), np.uint8) for size in sizes})
