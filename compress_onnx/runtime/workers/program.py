"""The program of a worker, three modules made one text that any Python from 3.8 on runs, and how it gets there."""

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
# Runs on the oldest Python a board may have; takes the program from stdin, for a read-only or full disk
# holds none.
_BOOTSTRAP = "import os,sys\nb=b''\nwhile len(b)<{length}:b+=os.read(0,{length}-len(b))or os._exit(3)\nexec(b)"
# What an empty pipe takes at once on every Linux; the program has to fit.
_PIPE_BYTES = 65536


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


def bootstrap(length: int) -> tuple[str, ...]:
    """Return the words behind Python that read a program of so many bytes from stdin and run it."""
    return ("-c", _BOOTSTRAP.format(length=length))


def sent_program() -> bytes:
    """Return what goes through stdin before the first request, small enough for an empty pipe to take it whole."""
    text = worker_program().encode()
    if len(text) > _PIPE_BYTES:
        message = f"the worker has grown to {len(text)} bytes, more than a pipe takes at once"
        raise AssertionError(message)
    return text
