"""The user's cache: what took long and will be wanted again, one file each, read if it is sound, else made anew."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from compress_onnx.errors import OutputError
from compress_onnx.files import BROKEN_ARCHIVE, written_whole
from compress_onnx.options import cache_root

T = TypeVar("T")

# What a reader of JSON or text raises over a broken file beside what an archive raises.
_BROKEN = (*BROKEN_ARCHIVE, AttributeError, RecursionError)


def _sound(value: object) -> bool:
    del value
    return True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cache(Generic[T]):
    """Values of one kind in a ``folder`` of the user's cache, each in a file by its key and ``suffix``.

    ``read`` returns what a file holds; whatever it raises over a broken one means that there is none. ``write`` writes a
    value. The files used longest ago go when all take more than ``limit_bytes``. A cache that cannot be written is done
    without, unless ``must_write``.
    """

    folder: str
    suffix: str
    read: Callable[[BinaryIO], T]
    write: Callable[[T, BinaryIO], None]
    limit_bytes: int | None = None
    must_write: bool = False

    def path(self, key: str) -> Path:
        """Return the file of a key, there or not."""
        return cache_root() / self.folder / f"{key}{self.suffix}"

    def find(self, key: str | None, *, sound: Callable[[T], bool] = _sound) -> T | None:
        """Return the value kept under ``key``, ``None`` where there is none that is ``sound``."""
        if key is None:
            return None
        try:
            with self.path(key).open("rb") as stream:
                value = self.read(stream)
            return value if sound(value) else None
        except _BROKEN:
            return None

    def find_or_make(self, key: str | None, make: Callable[[], T], *, sound: Callable[[T], bool] = _sound) -> T:
        """Return the value kept under ``key``, else the one that is made, and keep it; without a key nothing is kept.

        Errors
        ------
        OutputError
            if the value cannot be written and must be.
        """
        if key is None:
            return make()
        value = self.find(key, sound=sound)
        if value is not None:
            with contextlib.suppress(OSError):
                self.path(key).touch()
            return value
        made = make()
        self._keep(self.path(key), made)
        return made

    def _keep(self, path: Path, value: T) -> None:
        try:
            with written_whole(path) as part, part.open("wb") as stream:
                self.write(value, stream)
        except OutputError:
            if self.must_write:
                raise
        if self.limit_bytes is not None:
            trim(path.parent, limit_bytes=self.limit_bytes)


def trim(folder: Path, *, limit_bytes: int) -> None:
    """Remove the files of a cache folder that were used longest ago until the rest fits into ``limit_bytes``.

    Another process may remove files meanwhile; what is gone is gone.
    """
    files: list[tuple[float, Path, int]] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            status = path.stat()
            files.append((status.st_mtime, path, status.st_size))
    total = sum(size for _, _, size in files)
    for _, path, size in sorted(files):
        if total <= limit_bytes:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
