"""What a worker process does: it loads one ONNX model, runs it and times it, for whoever talks to its stdin.

This module, :mod:`frames` and :mod:`passport` are sent as one program (:func:`program.worker_program`): Python 3.8, NumPy and
any ONNX Runtime are all they need there. :class:`process.Worker` is the other half.

``hello``    versions, machine and the cores this process may use
``passport`` what the system says of its CPU
``probe``    run ``model`` (uint8 bytes) once on the other arrays, and forget it
``load``     open a session for ``model`` (bytes) or ``path``: times, memory, inputs and outputs
``run``      arrays in, arrays out
``time``     ``calls`` timed calls after ``warmup`` ones; arrays given once serve later requests too
``profile``  end the profile that ``load`` began and return it
``quit``     end; so does the end of stdin
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, Callable, Mapping  # noqa: UP035  # as old as the oldest board

from compress_onnx.runtime.workers.frames import PROTOCOL, Arrays, Header, NotAFrameError, decode, encode, exactly
from compress_onnx.runtime.workers.passport import read_passport, usable_cores

NUMERIC = ("b", "i", "u", "f", "c")


class UnfitError(Exception):
    """A machine that cannot run NumPy or ONNX Runtime as they are installed here."""


class RefusedError(Exception):
    """A request that cannot be served as it was made."""


class Service:
    """What the worker answers with; one model at a time."""

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._session: Any = None
        self._feed: Arrays = {}
        self._runs = 0

    def answer(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """Return the answer to one request; what goes wrong is said in the answer."""
        try:
            serve = getattr(self, "on_" + str(request.get("op")), None)
            if serve is None:
                raise RefusedError("unknown request %r" % request.get("op"))  # noqa: TRY301, UP031  # one place answers
            fields, returned = serve(request, arrays)
        except Exception as error:  # noqa: BLE001  # whatever it is, the other side has to hear of it
            return {"ok": False, "error": described(error)}, {}
        return {"ok": True, **fields}, returned

    def on_hello(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """Return versions and machine; the import errors of a bare board appear here."""
        del request, arrays
        try:
            import numpy as np
            import onnxruntime as ort
        except RuntimeError as error:
            # NumPy says so of a CPU older than its wheels.
            raise UnfitError(str(error)) from error

        facts = {
            "protocol": PROTOCOL,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "onnxruntime": ort.__version__,
            "machine": platform.machine(),
            "system": platform.platform(),
            "cores": usable_cores(),
            "memory": memory(),
        }
        return facts, {}

    def on_passport(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """Return what the system says of its CPU."""
        del request, arrays
        return read_passport(), {}

    def on_probe(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """Run a model once on the other arrays, beside the loaded one."""
        session = opened(arrays["model"].tobytes(), request.get("options", {}))
        feed = {name: array for name, array in arrays.items() if name != "model"}
        return {}, outputs_of(session, feed)

    def on_load(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """Open a session in place of the one before; ``affinity`` pins this process first."""
        self._session, self._feed, self._runs = None, {}, 0
        options = request.get("options", {})
        pinned = pin(options["affinity"]) if options.get("affinity") else None
        model = arrays["model"].tobytes() if "model" in arrays else request["path"]
        before = memory()
        begin = self._clock()
        session = opened(model, options)
        load_ns = self._clock() - begin
        self._session = session
        facts = {
            "load_ns": load_ns,
            "affinity": pinned,
            "memory_before": before,
            "memory": memory(),
            "inputs": [[value.name, value.type, list(value.shape)] for value in session.get_inputs()],
            "outputs": [[value.name, value.type, list(value.shape)] for value in session.get_outputs()],
        }
        return facts, {}

    def on_run(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """Return the outputs for a batch, by name."""
        del request
        outputs = outputs_of(self._loaded(), arrays)
        self._runs += 1
        return {}, outputs

    def on_time(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """Return nanoseconds of each call, int64 (warmup,) and (calls,); the very first call apart."""
        import numpy as np

        session, self._feed = self._loaded(), arrays or self._feed
        if not self._feed:
            raise RefusedError("nothing to feed the model with")
        names = [value.name for value in session.get_outputs()]
        first = None
        if not self._runs:
            first = self._timed(session.run, names, 1)[0]
        warmup = self._timed(session.run, names, int(request.get("warmup", 0)))
        values = self._timed(session.run, names, int(request["calls"]))
        self._runs += 1
        spent = {"values": np.array(values, np.int64), "warmup": np.array(warmup, np.int64)}
        return {"first_ns": first, "memory": memory()}, spent

    def _timed(self, run: Any, names: list[str], calls: int) -> list[int]:
        # All names are bound before the region: one timed region is one session.run.
        clock, feed, spent = self._clock, self._feed, [0] * calls
        enabled = gc.isenabled()
        gc.disable()
        try:
            for place in range(calls):
                begin = clock()
                run(names, feed)
                spent[place] = clock() - begin
        finally:
            if enabled:
                gc.enable()
        return spent

    def on_profile(self, request: Header, arrays: Arrays) -> tuple[Header, Arrays]:
        """End the profile, return its JSON as uint8 bytes, and delete the file."""
        del request, arrays
        import numpy as np

        file = Path(self._loaded().end_profiling())
        if not file.is_file():
            raise RefusedError("the session was loaded without a profile")
        text = file.read_bytes()
        file.unlink()
        return {}, {"profile": np.frombuffer(text, np.uint8)}

    def _loaded(self) -> Any:
        if self._session is None:
            raise RefusedError("no model is loaded")
        return self._session


def opened(model: Any, options: Mapping[str, Any]) -> Any:
    """Return a silent session on the CPU for model bytes or a path.

    ``options``: ``threads`` (1), ``spinning`` (true), ``optimized`` (true), ``profile`` (a file's beginning;
    none), ``entries`` (ONNX Runtime's own configuration entries; none).
    """
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = int(options.get("threads", 1))
    chosen.inter_op_num_threads = 1
    chosen.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    chosen.log_severity_level = 4
    levels = ort.GraphOptimizationLevel
    chosen.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if options.get("optimized", True) else levels.ORT_DISABLE_ALL
    )
    if not options.get("spinning", True):
        chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in options.get("entries", {}).items():
        chosen.add_session_config_entry(name, value)
    if options.get("profile"):
        chosen.enable_profiling = True
        chosen.profile_file_prefix = options["profile"]
    return ort.InferenceSession(model, chosen, providers=["CPUExecutionProvider"])


def outputs_of(session: Any, feed: Mapping[str, Any]) -> Arrays:
    """Return all outputs of one run by name."""
    names = [value.name for value in session.get_outputs()]
    values = session.run(names, dict(feed))
    outputs = {names[place]: values[place] for place in range(len(names))}
    for name, value in outputs.items():
        if getattr(getattr(value, "dtype", None), "kind", "") not in NUMERIC:
            raise RefusedError("output %r is no tensor of numbers" % name)  # noqa: UP031  # see above
    return outputs


def pin(cores: list[int]) -> list[int] | None:
    """Keep this process and its later threads on these cores; return where it may run, or None if unknown."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    with contextlib.suppress(OSError):  # the answer says where it runs
        os.sched_setaffinity(0, cores)
    return sorted(os.sched_getaffinity(0))


def memory() -> dict[str, int]:
    """Return resident and peak bytes of this process, where Linux tells them.

    Not ``getrusage``: its peak starts with that of the process that started this one.
    """
    names = {"VmRSS:": "resident_bytes", "VmHWM:": "peak_bytes"}
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    fields = [line.split() for line in lines]
    return {names[field[0]]: int(field[1]) * 1024 for field in fields if field and field[0] in names}


def described(error: BaseException) -> dict[str, str]:
    """Return an exception as a message can carry it; ``kind`` says whose fault it is."""
    kind = "model"
    if isinstance(error, ImportError):
        kind = "missing"
    elif isinstance(error, (RefusedError, KeyError)):
        kind = "request"
    elif isinstance(error, (MemoryError, OSError, UnfitError)):
        kind = "machine"
    return {"kind": kind, "type": type(error).__name__, "message": str(error)[:2000]}


def main() -> int:
    """Serve requests on stdin until ``quit`` or its end; whatever else prints goes to stderr."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    read, service = exactly(incoming), Service()
    try:
        while True:
            request, arrays = decode(read)
            if request.get("op") == "quit":
                return 0
            outgoing.write(encode(*service.answer(request, arrays)))
            outgoing.flush()
    except (EOFError, BrokenPipeError):
        return 0
    except NotAFrameError as error:
        print(error, file=sys.stderr)  # noqa: T201  # this process has no other way to say it
        return 2
