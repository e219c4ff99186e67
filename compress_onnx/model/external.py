"""Tensors whose values lie in data files beside the graph: found wherever they are used, checked before they are read.

The rules are ONNX Runtime's (1.32) or stricter: what it would refuse or read otherwise is refused. It looks for data
files in the folder of the path it is given, also where that path is a link.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from google.protobuf.message import Message
from onnx import TensorProto, helper

from compress_onnx.errors import ModelError

# Further entries, such as prepacked weights, would be bytes that the runtime takes and nobody looked at.
_KEYS = frozenset({"location", "offset", "length", "checksum"})
_NUMBER = re.compile("[0-9]{1,18}")
# Types that ONNX packs two or more to a byte.
_PACKED_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extent:
    """Where the values of a ``model`` file's ``tensor`` lie: ``length`` bytes from ``offset`` on in ``file``."""

    model: Path
    tensor: TensorProto
    file: Path
    offset: int
    length: int

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in blocks of bounded size.

        Errors
        ------
        ModelError
            if the file cannot be read or has become shorter.
        """
        left = self.length
        with _readable(self.model, self.file), self.file.open("rb") as stream:
            stream.seek(self.offset)
            while left:
                block = stream.read(min(left, _BLOCK))
                if not block:
                    raise _refusal(self.model, f"a data file {self.file.name!r} that became shorter while it was read")
                left -= len(block)
                yield block


def extents(graph: Message, path: Path) -> tuple[Extent, ...]:
    """Return where the external tensors of a model lie, in the order in which they stand in the file at ``path``.

    They are looked for in the whole message: in initializers, attributes, sparse tensors, subgraphs and functions.

    Errors
    ------
    ModelError
        if a data file is missing, too short, a link or outside the model's folder, or an entry makes no sense.
    """
    found = tuple(_extent(tensor, path) for tensor in _tensors(graph) if tensor.data_location == TensorProto.EXTERNAL)
    _expect_no_overlap(found)
    return found


def has_external(graph: Message) -> bool:
    """Tell whether any tensor of a model, wherever it lies, has its values in another file."""
    return any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(graph))


def _tensors(message: Message) -> Iterator[TensorProto]:
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            parts: Iterable[Message] = [value] if isinstance(value, Message) else value
            for part in parts:
                yield from _tensors(part)


def _extent(tensor: TensorProto, path: Path) -> Extent:
    entries = _entries(tensor, path)
    file = _data_file(entries.get("location", ""), tensor, path)
    offset, stated = (_number(entries.get(key, "0"), key, tensor, path) for key in ("offset", "length"))
    length = _values_bytes(tensor, path)
    # ONNX Runtime, too, takes a length of 0 for none.
    if stated not in {0, length}:
        shape = "x".join(map(str, tensor.dims)) or "a single value"
        raise _refusal(path, f"{stated} bytes of data for {tensor.name!r}, whose {length} bytes are {shape}")
    with _readable(path, file):
        size = file.stat().st_size
    if offset + length > size:
        what = f"a data file {file.name!r} of {size} bytes, too short for {tensor.name!r} up to byte {offset + length}"
        raise _refusal(path, what, "Export it again, or check the copy.")
    return Extent(model=path, tensor=tensor, file=file, offset=offset, length=length)


def _entries(tensor: TensorProto, path: Path) -> dict[str, str]:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    unknown = sorted(entries.keys() - _KEYS)
    if unknown or len(entries) != len(tensor.external_data):
        what = f"the entry {unknown[0]!r}" if unknown else "an entry twice"
        raise _refusal(path, f"{what} in the external data of {tensor.name!r}")
    return entries


def _data_file(location: str, tensor: TensorProto, path: Path) -> Path:
    place = PurePosixPath(location)
    if not place.parts or "\0" in location:
        raise _refusal(path, f"external data of {tensor.name!r} without a file name")
    if place.is_absolute() or ".." in place.parts:
        what = f"a data file outside the model's folder, {location!r} for {tensor.name!r}"
        raise _refusal(path, what, "Save the model with its data in its own folder.")
    file = path.parent / place
    with _readable(path, file):
        steps = [file, *file.parents][: len(place.parts)]
        if any(step.is_symlink() for step in steps):
            what = f"a link in the place of the data file {location!r} of {tensor.name!r}"
            raise _refusal(path, what, "Copy the data file itself there, as cp -L does.")
        if not stat.S_ISREG(file.stat().st_mode):
            raise _refusal(path, f"something else in the place of the data file {location!r}, no regular file")
    return file


def _number(text: str, key: str, tensor: TensorProto, path: Path) -> int:
    if not _NUMBER.fullmatch(text):
        raise _refusal(path, f"the {key} {text!r} in the external data of {tensor.name!r}")
    return int(text)


def _values_bytes(tensor: TensorProto, path: Path) -> int:
    """Return how many bytes a tensor's type and shape ask for."""
    elements = int(math.prod(tensor.dims))
    try:
        name: str = TensorProto.DataType.Name(tensor.data_type)
        bits = _PACKED_BITS.get(name) or 8 * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError):
        name, bits = "STRING", 0
    if name == "STRING" or min(tensor.dims, default=0) < 0:
        raise _refusal(
            path, f"{tensor.name!r} of type {tensor.data_type} and shape {list(tensor.dims)} as external data"
        )
    return -(-elements * bits // 8)


def _expect_no_overlap(found: Iterable[Extent]) -> None:
    """Tied weights may share all their bytes; those that share some were not written by an exporter."""
    ranges = {(extent.file, extent.offset, extent.length): extent for extent in found if extent.length}
    for one, other in itertools.pairwise(sorted(ranges, key=lambda key: (key[0], key[1], key[2]))):
        if one[0] == other[0] and other[1] < one[1] + one[2]:
            names = f"{ranges[one].tensor.name!r} and {ranges[other].tensor.name!r}"
            raise _refusal(ranges[one].model, f"overlapping data of {names} in {one[0].name!r}")


@contextlib.contextmanager
def _readable(path: Path, file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        remedy = f"ONNX Runtime looks for it in {path.parent}: keep both together, under the names they were given."
        raise _refusal(path, f"no data file {file.relative_to(path.parent).as_posix()!r} beside it", remedy) from error
    except OSError as error:
        raise _refusal(path, f"{error.strerror or error} for its data file {file.name!r}", "Check the file.") from error


def _refusal(path: Path, got: str, remedy: str = "Export it again.") -> ModelError:
    return ModelError("a valid ONNX file", got, where=path, remedy=remedy)
