"""Calibration inputs of which the first are looked at before all are gone through, once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compress.calibration.calibrate import CHUNK
from compress_onnx.compress.checks import CHECKED_IMAGES
from compress_onnx.model import Signature

# Images that tell what is constant in a channel.
_LOOKED_AT = 128


class FirstImages:
    """Chunks (B, C, H, W) float32 as :func:`~compress_onnx.compress.calibration.calibrate.fitting` cuts them; none is read unasked."""

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
