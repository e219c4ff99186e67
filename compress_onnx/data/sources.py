"""One door to all image data: a name, a name with a split, or a path."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from compress_onnx.data.folder import load_folder
from compress_onnx.data.images import SPLITS, ImageSet
from compress_onnx.data.inputs import array_set, batch_set
from compress_onnx.data.npz import load_npz
from compress_onnx.data.parquet import load_parquet
from compress_onnx.errors import DataError
from compress_onnx.extension_points import datasets
from compress_onnx.options import data_root
from compress_onnx.registry import unknown

DEFAULT_SPLIT = "test"


def load_data(spec: str) -> ImageSet:
    """Load ``digits``, ``cifar10:train``, any registered name, or a ``.parquet``, ``.npz`` or directory.

    A name without split means its test split. Named sets lie under ``$COMPRESS_ONNX_DATA`` or the
    user's cache. A path such as ``gtsrb/test.parquet`` is called gtsrb, split test; any other is
    called by its own name, split ``all``.

    Errors
    ------
    UnknownNameError
        if it is neither a path nor a known name; near names are in the sentence.
    DataError
        if the path is missing or its content is broken.
    """
    name, _, split = spec.partition(":")
    if name in datasets():
        images = datasets()[name](split or DEFAULT_SPLIT, data_root())
        if not isinstance(images, ImageSet):
            raise DataError(
                "an ImageSet", type(images).__name__, where=f"data set {name}", remedy="Repair the plug-in."
            )
        return images
    path = Path(spec).expanduser()
    if path.exists() or path.suffix or len(path.parts) > 1:
        return _from_path(path)
    raise unknown("data set", name, datasets().names())


DataSource: TypeAlias = str | os.PathLike[str] | ImageSet | tuple[Any, Any] | Iterable[Any]
"""What images are given as: a name or a path, an image set, arrays ``(images, labels)``, or batches of ``(inputs, labels)``."""


def image_set(source: DataSource) -> ImageSet:
    """Return the images of a source; batches, of a ``DataLoader`` for one, are gone through once.

    Errors
    ------
    UnknownNameError, DataError
        as of :func:`load_data` for names and paths, and of :func:`~compress_onnx.data.inputs.batch_set` for arrays and
        batches.
    """
    if isinstance(source, str | os.PathLike):
        return load_data(str(source))
    if isinstance(source, ImageSet):
        return source
    if isinstance(source, tuple) and len(source) == 2 and hasattr(source[0], "shape"):
        return array_set(source[0], source[1])
    if not isinstance(source, bytes | dict) and hasattr(source, "__iter__"):
        return batch_set(source)
    raise DataError(
        "a data set's name or path, arrays (images, labels), or batches of (inputs, labels)",
        f"a {type(source).__name__}",
        where="data",
    )


def _from_path(path: Path) -> ImageSet:
    name, split = _named(path)
    if path.is_dir():
        return load_folder(path, name=name, split=split)
    if path.suffix == ".parquet":
        return load_parquet(path, name=name, split=split)
    if path.suffix == ".npz":
        return load_npz(path, name=name, split=split)
    raise DataError(
        "a data set's name, a .parquet or .npz file, or a directory",
        f"a file ending in {path.suffix!r}" if path.exists() else "no such file",
        where=path,
        remedy="Check the path, or convert the data to one of these.",
    )


def _named(path: Path) -> tuple[str, str]:
    """Return name and split.

    >>> _named(Path("data/gtsrb/test.parquet")), _named(Path("signs.npz"))
    (('gtsrb', 'test'), ('signs', 'all'))
    """
    whole = path.resolve()
    if whole.stem in SPLITS:
        return whole.parent.name, whole.stem
    return whole.stem, "all"
