"""What a model takes of a machine's memory once it is loaded."""

from __future__ import annotations

from pathlib import Path

from compress_onnx.model import Model
from compress_onnx.options import THREADS
from compress_onnx.records import Better, Measure, undefined
from compress_onnx.runtime.workers import local_worker

_UNIT = "bytes"


def memory_after_load(model: Path | Model, *, threads: int = THREADS.default) -> Measure:
    """Return by how much loading a file makes a fresh process grow, in resident bytes.

    Python, NumPy and ONNX Runtime are loaded before and do not count; what the runtime makes of the
    weights (packed and unpacked copies) does. Undefined where the system tells no process's memory.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the file.
    WorkerError
        if the process fails.
    """
    with local_worker() as worker:
        facts = worker.load(model, threads=threads)
    before, after = (facts[key].get("resident_bytes") for key in ("memory_before", "memory"))
    if before is None or after is None:
        return undefined("the system tells no process's memory", unit=_UNIT, better=Better.LOWER)
    # Pages that the load gave back can make a tiny model's growth negative.
    return Measure(value=float(max(after - before, 0)), unit=_UNIT, better=Better.LOWER, n=1)
