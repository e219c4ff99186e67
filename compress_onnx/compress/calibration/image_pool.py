"""Calibration images kept on disk: some measure, the others judge, in batches that resemble the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import DataError

# Every fourth image judges what the other three measured.
_JUDGING = 4
_FEWEST = 8


class ImagePool:
    """N images (C, H, W) float32 in one file: decoded once, read as often as needed, never all in memory.

    Manifests list images in the data's order, which is often the order of the classes. A batch of
    one class has other statistics than the whole, so batches take every k-th image.

    Errors
    ------
    DataError
        if the images are fewer than 8, differ in shape, are not float32 or hold NaN or infinity.
    """

    def __init__(self, batches: Iterable[NDArray[np.float32]], file: Path) -> None:
        shape: tuple[int, ...] | None = None
        count = 0
        with file.open("wb") as stream:
            for batch in batches:
                shape = _checked(batch, shape)
                stream.write(np.ascontiguousarray(batch).tobytes())
                count += len(batch)
        if shape is None or count < _FEWEST:
            raise DataError(
                f"at least {_FEWEST} calibration images", str(count), where="repair", remedy="Give more images."
            )
        self._images = np.memmap(file, dtype=np.float32, mode="r", shape=(count, *shape))
        judging = np.arange(count) % _JUDGING == _JUDGING - 1
        self._rows = {True: np.flatnonzero(judging), False: np.flatnonzero(~judging)}

    @property
    def first(self) -> NDArray[np.float32]:
        """Return one image (1, C, H, W)."""
        return np.array(self._images[:1])

    def size(self, *, judging: bool) -> int:
        """Return how many images judge, or measure."""
        return len(self._rows[judging])

    def batches(self, largest: int, *, judging: bool) -> Iterator[NDArray[np.float32]]:
        """Yield the images that judge, or those that measure, in batches of equal size up to ``largest``."""
        rows = self._rows[judging]
        parts = -(-len(rows) // max(1, largest))
        for start in range(parts):
            yield np.array(self._images[rows[start::parts]])


def _checked(batch: NDArray[np.float32], shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if batch.dtype != np.float32 or batch.ndim != 4 or (shape is not None and batch.shape[1:] != shape):
        wanted = "of rank 4" if shape is None else f"of shape {shape}"
        raise DataError(f"float32 calibration images {wanted}", f"{batch.dtype} of shape {batch.shape}", where="repair")
    if not np.isfinite(batch).all():
        raise DataError("finite calibration inputs", "NaN or infinity", where="repair", remedy="Check mean and std.")
    return batch.shape[1:]
