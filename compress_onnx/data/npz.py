"""NumPy archives: ``images`` uint8, perhaps ``labels`` and ``class_names``; never a pickled object."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.data.images import ImageSet, named_classes, valid_labels
from compress_onnx.errors import DataError
from compress_onnx.files import sha256_of
from compress_onnx.records import DatasetInfo

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
    images = _images(arrays, path)
    labels, class_names = _labels(arrays, len(images), path)
    digest = sha256_of(
        repr(images.shape).encode(), images.tobytes(), b"" if labels is None else labels.astype("<i8").tobytes()
    )
    return ImageSet(
        info=DatasetInfo(name=name, split=split, n=len(images), class_names=class_names, sha256=digest),
        sample_ids=np.array([str(i) for i in range(len(images))], dtype=np.str_),
        labels=labels,
        read=lambda i: _rgb(images[i]),
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


def _images(arrays: dict[str, NDArray[np.generic]], path: Path) -> NDArray[np.uint8]:
    images = arrays.get("images")
    got = "no such array" if images is None else f"{images.dtype} of shape {images.shape}"
    rgb = images is not None and images.ndim == 4 and images.shape[3] == 3
    if images is None or images.dtype != np.uint8 or not (rgb or images.ndim == 3) or images.size == 0:
        raise DataError("`images` as uint8 (N, H, W, 3) or (N, H, W)", got, where=path, remedy=_REMEDY)
    return images.astype(np.uint8, copy=False)


def _labels(
    arrays: dict[str, NDArray[np.generic]], n: int, path: Path
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    names = tuple(str(name) for name in arrays.get("class_names", np.array([])).reshape(-1))
    labels = arrays.get("labels")
    if labels is None:
        return None, names
    if labels.dtype.kind not in "iu" or labels.shape != (n,):
        raise DataError(
            f"`labels` as integers of shape ({n},)",
            f"{labels.dtype} of shape {labels.shape}",
            where=path,
            remedy=_REMEDY,
        )
    numbers = labels.astype(np.int64)
    names = names or named_classes(numbers)
    return valid_labels(numbers, names, where=path), names


def _rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
