"""Content hashes of a set's pictures, found once: kept in the user's cache under the set's own hash."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import PIL
from numpy.typing import NDArray

from compress_onnx.cache import Cache
from compress_onnx.data.images import ImageSet
from compress_onnx.files import sha256_of

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
    cache = dataclasses.replace(_HASHES, limit_bytes=limit_bytes)
    return cache.find_or_make(key, find, sound=lambda hashes: _are_hashes(hashes, n))


def _read(stream: BinaryIO) -> Hashes:
    return np.array(stream.read().decode("ascii").split("\n")[:-1], dtype="U")


def _write(hashes: Hashes, stream: BinaryIO) -> None:
    stream.write("".join(f"{line}\n" for line in hashes.tolist()).encode("ascii"))


def _are_hashes(hashes: Hashes, n: int) -> bool:
    return len(hashes) == n and all(_HASH.fullmatch(line) for line in hashes.tolist())


_HASHES = Cache(folder="content", suffix=".txt", read=_read, write=_write, limit_bytes=LIMIT_BYTES)
