"""Sums on one thread: their last bits depend on how many threads share them, and records must not."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

# Read when the libraries of NumPy and PyTorch are loaded.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def allow_one_thread() -> None:
    """Tell the libraries that are loaded from now on to use one thread."""
    for name in _VARIABLES:
        os.environ[name] = "1"


@contextlib.contextmanager
def on_one_thread() -> Iterator[None]:
    """Keep the sums of NumPy, PyTorch and compressors on one thread; other work may use more.

    The two libraries may be loaded already or not.
    """
    # Imported late: this module is loaded before the variables are set.
    from threadpoolctl import threadpool_limits

    from compress_onnx.ort import compressing_on

    before = {name: os.environ.get(name) for name in _VARIABLES}
    allow_one_thread()
    try:
        with threadpool_limits(1), _torch_on_one_thread(), compressing_on(1):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _torch_on_one_thread() -> Iterator[None]:
    """PyTorch counts threads itself once it is loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
