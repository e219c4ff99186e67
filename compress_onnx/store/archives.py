"""Arrays as ``.npz`` files: written whole, and refused in one sentence where they are not what they should be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import RecordError
from compress_onnx.files import BROKEN_ARCHIVE, written_whole


def write_archive(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays into one compressed file."""
    with written_whole(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


@contextlib.contextmanager
def archive(path: Path, holds: str) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Yield the arrays of a file that ``holds`` something.

    Errors
    ------
    RecordError
        if the file is missing or no such archive, or the block misses an array or raises ``ValueError``.
    """
    try:
        # numpy leaves a broken file open if it opened it itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            yield arrays
    except BROKEN_ARCHIVE as error:
        got = str(error) or type(error).__name__
        raise RecordError(f"{holds} in .npz", got, where=path, remedy="Make the run again.") from error
