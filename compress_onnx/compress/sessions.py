"""Options of the sessions that measure and judge while a model is compressed: how many cores they keep busy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import onnxruntime as ort

# ONNX Runtime's own default, 0, is every core: right where one model is compressed at a time.
_threads: ContextVar[int] = ContextVar("threads", default=0)


@contextlib.contextmanager
def compressing_on(threads: int) -> Iterator[None]:
    """Let the sessions opened within the block run on so many threads, where others keep the other cores busy."""
    token = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(token)


def quiet_options() -> ort.SessionOptions:
    """Return options for a session that reports failures alone, and runs on as many threads as were asked for."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = _threads.get()
    return options
