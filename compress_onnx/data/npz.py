"""NumPy archives: ``images`` uint8, perhaps ``labels`` and ``class_names``; never a pickled object."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.data.arrays import Source, picture_set
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import DataError

_REMEDY = "Save it with numpy.savez(path, images=uint8 array, labels=integer array)."


def load_npz(path: Path, *, name: str, split: str) -> ImageSet:
    """Read an ``.npz``: ``images`` (N, H, W, 3) or (N, H, W) uint8, ``labels`` (N,) integers, ``class_names`` (C,).

    Gray pictures become RGB with equal channels; sample ids are the row numbers.

    Errors
    ------
    DataError
        if the file is missing or broken, holds Python objects, or an array is of another type or shape.
    """
    arrays = _arrays(path)
    return picture_set(
        arrays.get("images"),
        arrays.get("labels"),
        class_names=tuple(str(name) for name in arrays.get("class_names", np.array([])).reshape(-1)),
        source=Source(name=name, split=split, where=path, remedy=_REMEDY),
    )


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    if not path.is_file():
        raise DataError("an .npz file", "no file", where=path, remedy="Check the path.")
    try:
        # Opened here, since NumPy leaves the file open when the archive is broken.
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError("an .npz archive", "a single array", where=path, remedy=_REMEDY)
            return {key: archive[key] for key in ("images", "labels", "class_names") if key in archive}
    except ValueError as error:
        # NumPy refuses object arrays, and what is no archive at all, with one and the same error type.
        objects = "allow_pickle" in str(error)
        raise DataError(
            "arrays of numbers",
            "Python objects, which could run any code when opened" if objects else str(error),
            where=path,
            remedy=_REMEDY,
        ) from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError("a whole .npz archive", str(error) or "broken bytes", where=path, remedy=_REMEDY) from error
