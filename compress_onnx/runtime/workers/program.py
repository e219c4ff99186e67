"""The program of a worker: three modules of this package made one text that any Python from 3.8 on runs."""

from __future__ import annotations

import functools
import inspect
import sys

from compress_onnx.runtime.workers import frames, passport, service

# Empty entries of sys.path would let a file of the folder that Python starts in stand for NumPy. At its end the
# process does not spend the tenth of a second that taking the libraries down would take.
_PROGRAM = """\
import os, sys, types
sys.path[:] = [folder for folder in sys.path if folder]
for name, source in {sources!r}:
    sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), sys.modules[name].__dict__)
code = sys.modules[name].main()
sys.stderr.flush()
os._exit(code)
"""


@functools.cache
def worker_program() -> str:
    """Return the whole program: each module under its own name, the last one's ``main`` run.

    A module finds those before it as it does here, and imports nothing else of this package.
    """
    modules = (frames, passport, service)
    return _PROGRAM.format(sources=tuple((module.__name__, inspect.getsource(module)) for module in modules))


def local_command() -> tuple[str, ...]:
    """Return the command line of a worker in this very environment, without this package in the process."""
    return (sys.executable, "-c", worker_program())
