"""Content hashes of a set's pictures, found once: kept in the user's cache under the set's own hash."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from compress_onnx.cache import kept, trim
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import OutputError
from compress_onnx.files import sha256_of, write_text
from compress_onnx.options import cache_root

Hashes = NDArray[np.str_]

# A million pictures.
LIMIT_BYTES = 64 * 2**20
_HASH = re.compile(r"[0-9a-f]{64}")


def content_hashes(images: ImageSet) -> frozenset[str]:
    """Return the content hashes of all pictures of a set, which are decoded where that was never done before."""

    def find() -> Hashes:
        return np.array([images.content_sha256(row) for row in range(len(images))], dtype="U64")

    return frozenset(kept_hashes(content_key(images.info.sha256), find, n=len(images)).tolist())


def content_key(dataset_sha256: str) -> str:
    """Return the name under which a set's hashes are kept: what decodes the pictures is part of it."""
    return sha256_of(dataset_sha256.encode(), PIL.__version__.encode())


def kept_hashes(key: str | None, find: Callable[[], Hashes], *, n: int, limit_bytes: int = LIMIT_BYTES) -> Hashes:
    """Return the hashes (``n``,) kept under ``key``, else those that ``find`` finds, and keep them.

    Without a key nothing is read or kept. A broken file is as good as none, a cache that cannot be
    written is done without.
    """
    if key is None:
        return find()
    path = cache_root() / "content" / f"{key}.txt"
    return kept(
        path, find, read=lambda place: _read(place, n), write=lambda place, found: _write(place, found, limit_bytes)
    )


def _read(path: Path, n: int) -> Hashes | None:
    try:
        lines = path.read_text(encoding="ascii").split("\n")[:-1]
    except (OSError, UnicodeDecodeError):
        return None
    sound = len(lines) == n and all(_HASH.fullmatch(line) for line in lines)
    return np.array(lines, dtype="U64") if sound else None


def _write(path: Path, hashes: Hashes, limit_bytes: int) -> None:
    with contextlib.suppress(OutputError):
        write_text(path, "".join(f"{line}\n" for line in hashes.tolist()))
    trim(path.parent, limit_bytes=limit_bytes)
