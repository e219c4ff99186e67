"""Calibration inputs in chunks of the size that the model takes, the first of them looked at before all are gone through."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compress.checks import CHECKED_IMAGES
from compress_onnx.errors import DataError
from compress_onnx.model import Signature
from compress_onnx.ort import filled

# All activations of 16 images of ResNet-18 are 0.1 GB; larger chunks are hardly faster.
CHUNK = 16
# Images that tell what is constant in a channel.
_LOOKED_AT = 128


def fitting(
    batches: Iterable[NDArray[np.float32]], expected: Signature, *, where: object = ""
) -> Iterator[NDArray[np.float32]]:
    """Yield the same images in the same order, in chunks of the size that the model takes.

    The size is ``CHUNK`` where the model takes any, whatever batches come in, so that equal images
    meet equal kernels. A model of fixed batch gets its own size; its last chunk is filled up by
    repeating that chunk's images, which moves no minimum and no maximum.

    Errors
    ------
    DataError
        if a batch is not float32 or its images have another shape than the model's input.
    """
    fixed = expected.fixed_batch
    for part in _cut(_of_shape(batches, expected, where), fixed or CHUNK):
        yield filled(part, fixed) if fixed else part


def _of_shape(
    batches: Iterable[NDArray[np.float32]], expected: Signature, where: object
) -> Iterator[NDArray[np.float32]]:
    for batch in batches:
        _expect_images(batch, expected, where)
        yield batch


def _cut(batches: Iterable[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """Yield chunks of ``size`` images; smaller ones only at the end and before images of another size."""
    rest: NDArray[np.float32] | None = None
    for batch in batches:
        if rest is not None and rest.shape[1:] != batch.shape[1:]:
            yield from _non_empty(rest)
            rest = None
        rest = batch if rest is None else np.concatenate([rest, batch])
        whole = len(rest) // size * size
        yield from (rest[start : start + size] for start in range(0, whole, size))
        rest = rest[whole:]
    if rest is not None:
        yield from _non_empty(rest)


def _non_empty(chunk: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    if len(chunk):
        yield chunk


def _expect_images(batch: NDArray[np.float32], expected: Signature, where: object) -> None:
    sizes = expected.image_shape
    fits = batch.ndim == len(sizes) + 1 and all(
        size in {None, found} for size, found in zip(sizes, batch.shape[1:], strict=True)
    )
    if not fits or batch.dtype != np.float32:
        wanted = ", ".join("?" if size is None else str(size) for size in sizes)
        raise DataError(
            f"float32 calibration images of shape ({wanted})",
            f"{batch.dtype} of shape {batch.shape[1:]}",
            where=where,
            remedy="Check the model's preprocessing: size, channels and layout.",
        )


class FirstImages:
    """Chunks (B, C, H, W) float32 as :func:`fitting` cuts them; none is read unasked."""

    def __init__(self, chunks: Iterator[NDArray[np.float32]], expected: Signature) -> None:
        self._rest, self._expected = chunks, expected
        self._first: list[NDArray[np.float32]] = []

    def sample(self) -> NDArray[np.float32]:
        """Return a few images of the first chunk, apart from each other: neighbors are often of one class."""
        if not self._first:
            self._first += itertools.islice(self._rest, 1)
        if not self._first:
            return np.zeros((0, 0, 0, 0), np.float32)
        chunk = self._first[0]
        if self._expected.fixed_batch:
            return chunk
        return chunk[:: max(1, len(chunk) // CHECKED_IMAGES)][:CHECKED_IMAGES]

    def looked_at(self) -> Iterator[NDArray[np.float32]]:
        """Yield the chunks of the first images."""
        yield from list(self._first)
        count = -(-_LOOKED_AT // (self._expected.fixed_batch or CHUNK))
        for chunk in itertools.islice(self._rest, max(0, count - len(self._first))):
            self._first.append(chunk)
            yield chunk

    def all(self) -> Iterator[NDArray[np.float32]]:
        """Yield all chunks, those looked at too; memory holds no more than these."""
        yield from self._first
        yield from self._rest
