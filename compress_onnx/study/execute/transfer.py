"""Files by content hash: a worker that has a content already is not sent it again.

A model with external tensors is sent as one file that holds them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from compress_onnx.cache import trim
from compress_onnx.errors import DataError
from compress_onnx.files import sha256_of, sha256_of_file, write_bytes
from compress_onnx.model import is_one_file, whole_model
from compress_onnx.options import cache_root

Contents = Mapping[str, bytes]
"""Contents by their SHA-256."""

# A ResNet-18 cell leaves about 0.5 GB of artifacts to be timed: room for several of them.
LIMIT_BYTES = 4 * 2**30


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file: its name in the bundle (POSIX, relative), its hash and its path on the client."""

    name: str
    sha256: str
    source: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Files a worker needs. Where files are ``shared`` it finds them under the client's paths."""

    items: tuple[FileEntry, ...]
    shared: bool

    def lacking(self) -> tuple[str, ...]:
        """Return the hashes of the contents that are not on this machine."""
        if self.shared:
            return ()
        return tuple(dict.fromkeys(item.sha256 for item in self.items if not _stored(item.sha256).is_file()))

    def laid_out(self, folder: Path) -> Path:
        """Put the files under their names into ``folder`` and return it."""
        for item in self.items:
            target = folder / item.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.shared and is_one_file(Path(item.source)):
                target.symlink_to(item.source)
            elif self.shared:
                write_bytes(target, _content(Path(item.source)))
            else:
                _link(_stored(item.sha256), target)
        return folder

    def contents(self, hashes: Collection[str] | None) -> Contents:
        """Read the contents of these hashes, all without any, on the client."""
        wanted = (item for item in self.items if hashes is None or item.sha256 in hashes)
        return {item.sha256: _content(Path(item.source)) for item in wanted}


def bundle(files: Mapping[str, Path], *, shared: bool) -> Bundle:
    """Return the bundle of these files by name."""
    # Not resolved: the data of a model lies beside the path that names it, also where that is a link.
    items = (FileEntry(name=name, sha256=_sha256(path), source=str(path.absolute())) for name, path in files.items())
    return Bundle(items=tuple(items), shared=shared)


def _sha256(path: Path) -> str:
    return sha256_of_file(path) if is_one_file(path) else sha256_of(_content(path))


def _content(path: Path) -> bytes:
    return path.read_bytes() if is_one_file(path) else whole_model(path).serialized()


def store_contents(contents: Contents) -> None:
    """Keep contents that were sent in this machine's cache.

    Errors
    ------
    DataError
        if a content is not what its hash says.
    """
    for sha256, content in contents.items():
        if sha256_of(content) != sha256:
            raise DataError(f"the content {sha256[:12]}", "another one", where="a worker's files")
        write_bytes(_stored(sha256), content)
    if contents:
        trim(_cache_folder(), limit_bytes=LIMIT_BYTES)


def _cache_folder() -> Path:
    return cache_root() / "parcels"  # the name that older versions trim too


def _stored(sha256: str) -> Path:
    return _cache_folder() / sha256


def _link(stored: Path, target: Path) -> None:
    """Link the content, so that it stays when the cache is trimmed; copy it where links do not reach."""
    with contextlib.suppress(OSError):
        os.utime(stored)
    try:
        os.link(stored, target)
    except OSError:
        shutil.copyfile(stored, target)


def packed(folder: Path) -> dict[str, bytes]:
    """Return all files under ``folder`` by relative name, deflated."""
    # Level 1: zeros and pictures shrink as much as they will, and the network is no slower than the CPU.
    return {
        path.relative_to(folder).as_posix(): zlib.compress(path.read_bytes(), 1)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def unpacked(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what :func:`packed` returned under ``folder``."""
    for name, content in files.items():
        write_bytes(folder / name, zlib.decompress(content))
