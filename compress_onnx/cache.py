"""What took long and will be wanted again, kept in the user's cache: read if it is sound, else made anew."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def kept(path: Path, make: Callable[[], T], *, read: Callable[[Path], T | None], write: Callable[[Path, T], None]) -> T:
    """Return what ``read`` finds at ``path``, else what ``make`` makes, which ``write`` then keeps there.

    ``read`` answers ``None`` for a file that is missing or broken; ``write`` writes whole or not at all.
    """
    known = read(path)
    if known is not None:
        with contextlib.suppress(OSError):
            path.touch()
        return known
    made = make()
    write(path, made)
    return made


def trim(folder: Path, *, limit_bytes: int) -> None:
    """Remove the files of a cache folder that were used longest ago until the rest fits into ``limit_bytes``.

    Another process may remove files meanwhile; what is gone is gone.
    """
    found: list[tuple[float, Path, int]] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    total = sum(size for _, _, size in found)
    for _, path, size in sorted(found):
        if total <= limit_bytes:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
