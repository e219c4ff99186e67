"""Maps in a temporary file: as many as there are, at the memory of one batch."""

from __future__ import annotations

import tempfile
import weakref

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]


class MapsOnDisk:
    """N maps (H, W) float32 in a file that no one else sees and that vanishes with this object.

    Read and written, not memory-mapped: mapped pages count as memory of the process.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="compress-onnx-maps-")  # noqa: SIM115  # closed by the finalizer
        weakref.finalize(self, self._file.close)
        self._shape: tuple[int, int] = (0, 0)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the maps, (0, 0) before the first."""
        return self._shape

    def append(self, maps: Maps) -> None:
        """Write maps (B, H, W) behind those that are there."""
        self._shape = (maps.shape[1], maps.shape[2])
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(maps, dtype=np.float32).tobytes())
        self._count += len(maps)

    def read(self, rows: slice) -> Maps:
        """Return the maps from ``rows.start`` to ``rows.stop``, (B, H, W)."""
        pixels = self._shape[0] * self._shape[1]
        self._file.seek(rows.start * pixels * 4)
        content = self._file.read((rows.stop - rows.start) * pixels * 4)
        return np.frombuffer(content, dtype=np.float32).reshape(-1, *self._shape)

    def pick(self, rows: NDArray[np.int64]) -> Maps:
        """Return the maps of the rows (K,), in their order, (K, H, W)."""
        chosen = [self.read(slice(row, row + 1)) for row in rows.tolist()]
        return np.concatenate(chosen) if chosen else np.zeros((0, *self._shape), dtype=np.float32)
