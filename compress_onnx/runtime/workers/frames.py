"""Frames: how a worker and whoever asks it write requests and answers to each other's pipes.

A frame is magic bytes, the length of a JSON header and of what follows it (little-endian), the header,
and the bytes of the arrays that the header's ``arrays`` lists as name, dtype and shape. Each request,
named by ``op``, gets one answer: ``{"ok": true, ...}`` or ``{"ok": false, "error": {...}}``.

This module runs on both sides: it is part of the program that is sent, and needs no more than Python 3.8
and, for arrays, NumPy.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Callable, Dict, Mapping  # noqa: UP035  # Python 3.8 evaluates the aliases below

PROTOCOL = 1
PREFIX = struct.Struct("<4sIQ")
MAGIC = b"cOnX"
# A header lists names and shapes; anything longer is not one.
LONGEST_HEADER = 1 << 20

Header = Dict[str, Any]  # noqa: UP006  # see above
Arrays = Dict[str, Any]  # noqa: UP006  # see above
Read = Callable[[int], bytes]
"""Returns exactly that many bytes."""


class NotAFrameError(Exception):
    """What was read is no frame; ``seen`` holds the bytes."""

    def __init__(self, seen: bytes) -> None:
        super().__init__("not a frame: %r" % seen)  # noqa: UP031  # as old as the oldest board
        self.seen = seen


def encode(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
    """Return a frame of a JSON-able header and arrays of any numeric dtype.

    >>> import io
    >>> frame = io.BytesIO(encode({"op": "hello"}, {}))
    >>> decode(frame.read)
    ({'op': 'hello'}, {})
    """
    listed = [[name, array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in arrays.items()]
    payload = [array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in arrays.values()]
    text = json.dumps({**header, "arrays": listed}, allow_nan=False).encode()
    return b"".join([PREFIX.pack(MAGIC, len(text), sum(map(len, payload))), text, *payload])


def decode(read: Read) -> tuple[Header, Arrays]:
    """Return header and arrays of the next frame; the arrays are read-only views of what was read.

    Errors
    ------
    NotAFrameError
        if the bytes are something else.
    """
    prefix = read(PREFIX.size)
    magic, length, payload_length = PREFIX.unpack(prefix)
    if magic != MAGIC or length > LONGEST_HEADER:
        raise NotAFrameError(prefix)
    try:
        header = json.loads(read(length))
    except ValueError as error:
        raise NotAFrameError(prefix) from error
    payload = read(payload_length)
    arrays, place = {}, 0
    for name, dtype, shape in header.pop("arrays"):
        arrays[name], place = _array(payload, place, dtype, shape)
    return header, arrays


def _array(payload: bytes, place: int, dtype: str, shape: list[int]) -> tuple[Any, int]:
    import numpy as np

    count = 1
    for size in shape:
        count *= size
    array = np.frombuffer(payload, np.dtype(dtype), count, place) if count else np.empty(0, np.dtype(dtype))
    return array.reshape(shape), place + array.nbytes


def exactly(stream: Any) -> Read:
    """Return a reader of whole lengths; ``EOFError`` where the stream ends within one."""

    def read(length: int) -> bytes:
        parts = []
        while length:
            part = stream.read(min(length, 1 << 24))
            if not part:
                raise EOFError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    return read
