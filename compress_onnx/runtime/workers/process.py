"""A worker process on this side: started by a command line, asked with a deadline, never left behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import CompressOnnxError, WorkerError
from compress_onnx.model import Model, whole_model
from compress_onnx.ort import plain_message, refusal
from compress_onnx.runtime.workers.frames import PROTOCOL, NotAFrameError, decode, encode
from compress_onnx.runtime.workers.program import local_command

# Under emulation the import of ONNX Runtime alone takes tens of seconds.
START_SECONDS = 120.0
ANSWER_SECONDS = 600.0
_GRACE_SECONDS = 1.0
_CHUNK = 1 << 20
_TOLD = 600


class Worker:
    """One worker process, for a ``with`` block: at its end the process and all its children are gone.

    ``command`` is any command line that ends in the worker: Python itself, an emulator before it, or ``ssh``.
    ``name`` says in messages where it runs. ``facts`` is its answer to hello: ``python``, ``numpy``,
    ``onnxruntime``, ``machine``, ``system``, ``cores``, ``memory``.

    Errors
    ------
    WorkerError
        by every method, if the process cannot start, dies, does not answer in time, or answers nonsense.
    ModelError
        if ONNX Runtime refuses the model or its input.
    """

    sees_files = True
    """Whether it finds this machine's files under their paths; set to false, models are sent as bytes."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "worker",
        start_seconds: float = START_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = tuple(command)
        self.facts: dict[str, Any] = {}
        self._start_seconds, self._answer_seconds = start_seconds, answer_seconds
        self._environment = None if environment is None else {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile()  # closed in close()
        try:
            self._process = subprocess.Popen(  # noqa: S603  # the command is the caller's
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                env=self._environment,
                start_new_session=True,  # one group: an emulator or a shell dies with its children
            )
            for pipe in (self._process.stdin, self._process.stdout):
                os.set_blocking(_descriptor(pipe), False)  # os takes it so
            self._hello()
        except OSError as error:
            self.close()
            raise WorkerError(
                "a worker that starts",
                error.strerror or str(error),
                where=self.name,
                remedy=f"Check {self.command[0]}.",
            ) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, *, grace_seconds: float = _GRACE_SECONDS) -> None:
        """End the process: its stdin is closed, and after the time of grace its whole group is killed."""
        process, self._process = self._process, None
        if process is not None:
            _end(process, grace_seconds)
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    def dismiss(self) -> None:
        """Tell the process to end, without waiting for it; :meth:`close` waits."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _hello(self) -> None:
        self.facts, _ = self.ask("hello", seconds=self._start_seconds)
        if self.facts.get("protocol") != PROTOCOL:
            raise WorkerError(
                f"a worker of protocol {PROTOCOL}",
                f"protocol {self.facts.get('protocol')}",
                where=self.name,
                remedy="Install the same version on both sides.",
            )

    def ask(
        self,
        op: str,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        *,
        where: object = "",
        seconds: float | None = None,
        **fields: Any,
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Send one request and return the answer's fields and arrays; ``where`` names the model in errors."""
        process = self._process
        if process is None:
            raise WorkerError("a running worker", "one that has ended", where=self.name)
        exchange = _Exchange(process, time.monotonic() + (seconds or self._answer_seconds))
        try:
            exchange.write(encode({"op": op, **fields}, arrays or {}))
            header, returned = decode(exchange.read)
        except TimeoutError as error:
            self.close(grace_seconds=0)
            limit = seconds or self._answer_seconds
            raise WorkerError(f"an answer to {op!r} within {limit:g} s", "none", where=self.name) from error
        except (EOFError, BrokenPipeError) as error:
            raise self._died(op) from error
        except (NotAFrameError, ValueError, KeyError, TypeError) as error:
            seen = repr(error.seen) if isinstance(error, NotAFrameError) else str(error)
            self.close(grace_seconds=0)
            raise WorkerError(
                "the worker's protocol",
                f"something else ({seen})",
                where=self.name,
                remedy="Whatever prints at login or start must not print on stdout.",
            ) from error
        if not header.get("ok"):
            raise _refusal(header.get("error") or {}, where=where or self.name, name=self.name)
        return header, returned

    def load(self, model: Path | Model | bytes, **options: Any) -> dict[str, Any]:
        """Open a session for a file of this machine, a model or its bytes; what is sent holds its data files too.

        ``options`` are those of :func:`service.opened`, and ``affinity``, a list of cores. Returns the answer's
        ``load_ns``, ``affinity``, ``memory_before``, ``memory``, ``inputs`` and ``outputs``.
        """
        where = self.name if isinstance(model, bytes) else model
        path = model.path if isinstance(model, Model) else model
        if isinstance(path, Path) and self.sees_files:
            return self.ask("load", path=str(path.absolute()), options=options, where=where)[0]
        read = whole_model(model) if isinstance(model, Path) else model
        content = read if isinstance(read, bytes) else read.serialized()
        return self.ask("load", {"model": np.frombuffer(content, np.uint8)}, options=options, where=where)[0]

    def run(self, arrays: Mapping[str, NDArray[Any]], *, seconds: float | None = None) -> dict[str, NDArray[Any]]:
        """Return all outputs for one batch, by name, each finite or not as the model made it."""
        return self.ask("run", arrays, seconds=seconds)[1]

    def probe(self, model: bytes, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return all outputs of a model that is run once, beside the loaded one."""
        return self.ask("probe", {"model": np.frombuffer(model, np.uint8), **arrays})[1]

    def _died(self, op: str) -> WorkerError:
        process = self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process is not None:
                process.wait(_GRACE_SECONDS)
        code = process.returncode if process is not None else None
        ending = self._last_words()
        self.close(grace_seconds=0)
        return WorkerError(
            f"an answer to {op!r}",
            f"{_ending(code)}{ending}",
            where=self.name,
            remedy=self.advice(f"{_ending(code)}{ending}"),
        )

    def advice(self, ending: str) -> str:
        """Return what to do about a process that ended so; ``ending`` holds how it ended and its last words."""
        del ending
        return ""

    def _last_words(self) -> str:
        if self._stderr is None:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _TOLD))
        lines = self._stderr.read().decode("utf-8", "replace").split("\n")
        words = " ".join(
            line.strip() for line in [line for line in lines if ": warning: " not in line][-4:] if line.strip()
        )
        return f": {words}" if words else ""


class _Exchange:
    """Whole reads and writes on a process's pipes before a deadline."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        self._deadline = deadline
        self._to, self._from = _descriptor(process.stdin), _descriptor(process.stdout)

    def write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            self._wait(self._to, selectors.EVENT_WRITE)
            left = left[os.write(self._to, left[:_CHUNK]) :]

    def read(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            self._wait(self._from, selectors.EVENT_READ)
            part = os.read(self._from, min(length - len(received), _CHUNK))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    def _wait(self, descriptor: int, event: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, event)
            if not selector.select(self._deadline - time.monotonic()):
                raise TimeoutError


def _descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise TypeError("the process was started without pipes")
    return pipe.fileno()


def _end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_seconds)  # the end of its stdin ends it
    # Its children may outlive it, so the group is killed in any case.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(code: int | None) -> str:
    if code is None:
        return "a closed connection"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"a process ended by {signal.Signals(-code).name}"
    return f"a process that ended with code {code}"


def _refusal(error: Mapping[str, Any], *, where: object, name: str) -> CompressOnnxError:
    kind, message = error.get("kind"), str(error.get("message", "no reason"))
    if kind == "model":
        return refusal(message, where=where)
    if kind == "missing":
        return WorkerError(
            "NumPy and ONNX Runtime on the target",
            plain_message(message),
            where=name,
            remedy="Run there: pip install onnxruntime.",
        )
    return WorkerError("an answer", f"{error.get('type')}: {plain_message(message)}", where=where)


@contextlib.contextmanager
def local_worker(**options: Any) -> Iterator[Worker]:
    """Yield a worker in this environment on this machine; ``options`` are those of :class:`Worker`."""
    with Worker(local_command(), **{"name": "worker on this machine", **options}) as started:
        yield started
