"""A target: a command line that ends in Python, and the worker that is sent through it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
from types import MappingProxyType

from compress_onnx.runtime.workers import ANSWER_SECONDS, START_SECONDS, Worker, bootstrap, sent_program


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A machine or emulator that answers for a CPU.

    ``name`` is what the user wrote. ``command`` is the command line up to and including Python;
    ``through_shell`` tells that a shell at the far end reads the words once more. ``emulator`` names
    the program that plays ``cpu_model``, ``None`` on a real CPU. ``timed`` tells whether its
    latencies mean anything beyond those of this machine. ``remedies`` gives advice by what the far
    end's last words hold, the first that fits; an empty key fits all.
    """

    name: str
    command: tuple[str, ...]
    through_shell: bool = False
    cpu_model: str | None = None
    emulator: str | None = None
    timed: bool = False
    remedies: MappingProxyType[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))

    def worker(self, *, start_seconds: float = START_SECONDS, answer_seconds: float = ANSWER_SECONDS) -> Worker:
        """Return a worker that runs there, for a ``with`` block."""
        return _SentWorker(self, start_seconds=start_seconds, answer_seconds=answer_seconds)


class _SentWorker(Worker):
    """A worker whose program travels over stdin before the first request, and so does every model."""

    sees_files = False

    def __init__(self, target: Target, *, start_seconds: float, answer_seconds: float) -> None:
        self._program = sent_program()
        words = bootstrap(len(self._program))
        command = (*target.command, *(map(shlex.quote, words) if target.through_shell else words))
        super().__init__(command, name=target.name, start_seconds=start_seconds, answer_seconds=answer_seconds)
        self._target = target

    def _hello(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            # Whole or not at all: the pipe is empty and takes it. A far end that is gone already is
            # noticed, with its last words, when it is asked.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._process.stdin.fileno(), self._program)
        super()._hello()

    def advice(self, ending: str) -> str:
        """Return what to do about the far end's last words."""
        return next((advice for part, advice in self._target.remedies.items() if part in ending), "")
