"""ONNX Runtime's own failures, said in one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from compress_onnx.errors import ModelError

# ORT's exceptions share no base class but Exception, and their list grows with its versions.
_RUNTIME_FAILURES = tuple(
    kind for kind in vars(ort_state).values() if isinstance(kind, type) and issubclass(kind, Exception)
)
_LONGEST = 240


@contextlib.contextmanager
def runtime_failures(expected: str, *, where: object) -> Iterator[None]:
    """Turn what ONNX Runtime raises within the block into :class:`ModelError`."""
    try:
        yield
    except _RUNTIME_FAILURES as error:
        got = " ".join(str(error).split())[:_LONGEST].rstrip(".") or type(error).__name__
        raise ModelError(expected, got, where=where, remedy="Export the model again or repair it.") from error
