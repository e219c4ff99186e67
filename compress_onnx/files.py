"""Bytes on disk: hashes, and writes that are made aside and moved into place whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from compress_onnx.errors import OutputError

# What reading an archive with flipped bits raises: zipfile takes them for other versions, methods and ciphers.
BROKEN_ARCHIVE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends without error.

    Nothing is left behind when the block raises, so a reader never sees half a file.

    Errors
    ------
    OutputError
        if the folder cannot be made or written.
    """
    part: Path | None = None
    try:
        with _as_output_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=path.suffix)
            part = Path(name)
            os.close(handle)
            part.chmod(0o666 & ~_umask())
            yield part
            part.replace(path)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def filled_whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder whose files move into ``folder`` when the block ends without error.

    Files of the same name are replaced, others stay. When the block raises nothing is left behind,
    not even a folder.

    Errors
    ------
    OutputError
        if the folder cannot be made or written.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        with _as_output_error(folder):
            folder.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(dir=folder, prefix=".part-"))
        try:
            yield aside
            with _as_output_error(folder):
                _move_files(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    finally:
        # Only empty ones go.
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()


def _move_files(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            path.replace(place)


@contextlib.contextmanager
def _as_output_error(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            "a place that can be written",
            error.strerror or str(error),
            where=where,
            remedy="Choose another output or free the place.",
        ) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` whole or not at all."""
    with written_whole(path) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def sha256_of(*chunks: bytes) -> str:
    """Return the hexadecimal SHA-256 of the chunks, joined.

    >>> sha256_of(b"a", b"b") == sha256_of(b"ab")
    True
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
