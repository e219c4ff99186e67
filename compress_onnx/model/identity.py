"""What a model file is: all bytes that ONNX Runtime would load, those of its data files included, and their hash.

A file without external tensors is named by its plain SHA-256. One with external tensors is named by the hash of a
mark, the graph's own hash and the values of every external tensor in the graph's order: a hash of the graph alone is
never taken for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from compress_onnx.errors import ModelError
from compress_onnx.model.external import extents, has_external

# protobuf cannot serialize more than 2 GiB; image classifiers for CPU boxes stay far below.
MAX_BYTES = 2**31 - 1
# An external tensor has to name its location: a file without these bytes has none, and need not be parsed.
_NEEDLE = b"location"
_MARK = b"compress-onnx: a graph and its external tensors, 1\n"
# What a FlatBuffer of ONNX Runtime has behind its first offset.
_ORT_FORMAT = b"ORTM"
_BLOCK = 1 << 20
_OTHER_VALUES = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholeModel:
    """A model file as it was at one moment, read once; ``sha256`` is its identity.

    ``files`` are all that must be shipped, the graph's own first. ``held`` is the file's bytes where they are all
    there is, else the graph with the values of its external tensors inside.
    """

    path: Path
    files: tuple[Path, ...]
    sha256: str
    held: bytes | onnx.ModelProto

    def parsed(self) -> onnx.ModelProto:
        """Return the graph with all values inside.

        Errors
        ------
        ModelError
            if the file is no ONNX model.
        """
        return _parsed(self.held, self.path) if isinstance(self.held, bytes) else self.held

    def serialized(self) -> bytes:
        """Return the bytes of one file that holds everything."""
        return self.held if isinstance(self.held, bytes) else bytes(self.held.SerializeToString(deterministic=True))


def whole_model(path: Path) -> WholeModel:
    """Read a model file and its data files once, and return all of it.

    Errors
    ------
    ModelError
        if there is no such file, it is larger than 2 GiB, or a data file is not as it should be.
    """
    content = _content(path)
    model = _parsed(content, path) if _NEEDLE in content else None
    found = () if model is None else extents(model, path)
    if model is None or not found:
        return WholeModel(path=path, files=(path,), sha256=_begun(content, external=False).hexdigest(), held=content)
    _expect_small(len(content) + sum(extent.length for extent in found), path)
    digest = _begun(content, external=True)
    for extent in found:
        values = b"".join(extent.blocks())
        digest.update(values)
        _fill(extent.tensor, values)
    files = tuple(dict.fromkeys([path, *(extent.file for extent in found)]))
    return WholeModel(path=path, files=files, sha256=digest.hexdigest(), held=model)


def whole_bytes(content: bytes, *, where: Path) -> WholeModel:
    """Return the bytes of a model that lies in no file, as :func:`whole_model` returns a file's.

    Errors
    ------
    ModelError
        if they are larger than 2 GiB, or leave values in other files.
    """
    _expect_small(len(content), where)
    if _NEEDLE in content and has_external(_parsed(content, where)):
        raise ModelError(
            "a model with all values inside",
            "tensors that lie in other files",
            where=where,
            remedy="Give the path of its file, or load it with its data first (onnx.load).",
        )
    return WholeModel(path=where, files=(), sha256=_begun(content, external=False).hexdigest(), held=content)


def model_identity(path: Path) -> str:
    """Return the hash of all bytes of a model file, read in blocks, data files too.

    Errors
    ------
    ModelError
        if there is no such file, or a data file is not as it should be.
    """
    alone = _hash_of_one_file(path)
    if alone is not None:
        return alone
    content = _content(path)
    found = extents(_parsed(content, path), path)
    # The graph says how many bytes each tensor has: the values need no separators.
    digest = _begun(content, external=bool(found))
    for extent in found:
        for block in extent.blocks():
            digest.update(block)
    return digest.hexdigest()


def is_one_file(path: Path) -> bool:
    """Tell whether a file holds all that belongs to it: any file but a model with external tensors.

    Errors
    ------
    ModelError
        as of :func:`model_identity`.
    """
    return path.suffix != ".onnx" or _hash_of_one_file(path) is not None or len(whole_model(path).files) == 1


def _hash_of_one_file(path: Path) -> str | None:
    """Return the plain hash of a file that has no external tensors, ``None`` where that takes parsing to know."""
    expect_model_file(path)
    digest, seen, tail = hashlib.sha256(), False, b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            seen = seen or _NEEDLE in tail + block
            tail = block[1 - len(_NEEDLE) :]
    return None if seen else digest.hexdigest()


def expect_unchanged(path: Path, sha256: str) -> None:
    """Raise :class:`ModelError` unless the file still is what it was when its identity was taken."""
    expect_identity(path, model_identity(path), sha256)


def expect_identity(path: Path, found: str, wanted: str) -> None:
    """Raise :class:`ModelError` unless the identity found now is the one wanted."""
    if found != wanted:
        raise ModelError(
            "a model file that stays as it is while it is judged",
            "other bytes than at the start",
            where=path,
            remedy="Run it again when nothing writes to it.",
        )


def expect_model_file(path: Path) -> None:
    """Raise :class:`ModelError` unless there is a file at ``path``."""
    if path.is_dir():
        raise ModelError("an ONNX file", "a folder", where=path, remedy="Name the .onnx file inside it.")
    if not path.is_file():
        raise ModelError("an ONNX file", "no file", where=path, remedy="Check the path.")
    with contextlib.suppress(OSError), path.open("rb") as stream:
        if stream.read(8)[4:] == _ORT_FORMAT:
            got = "one in ONNX Runtime's own format (.ort)"
            raise ModelError("an ONNX file", got, where=path, remedy="Give the .onnx file that it was made from.")


def _content(path: Path) -> bytes:
    expect_model_file(path)
    _expect_small(path.stat().st_size, path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError("an ONNX file that can be read", error.strerror or str(error), where=path) from error


def _expect_small(size: int, path: Path) -> None:
    if size > MAX_BYTES:
        got = f"{size / 2**30:.1f} GiB with its data"
        raise ModelError(
            "a model below 2 GiB", got, where=path, remedy="Export a smaller form of it: one ONNX file holds no more."
        )


def _parsed(content: bytes, path: Path) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        got = str(error).partition("\n")[0].rstrip(".")
        remedy = "Export it again, or check the download."
        raise ModelError("a valid ONNX file", got, where=path, remedy=remedy) from error
    return model


def _begun(graph: bytes, *, external: bool) -> hashlib._Hash:
    return hashlib.sha256(_MARK + hashlib.sha256(graph).digest()) if external else hashlib.sha256(graph)


def _fill(tensor: TensorProto, values: bytes) -> None:
    for field in (*_OTHER_VALUES, "external_data", "data_location"):
        tensor.ClearField(field)
    tensor.raw_data = values
