"""The first question to a target, of whichever kind it is."""

from __future__ import annotations

from compress_onnx.runtime.targets.session import Elsewhere, asked_by_worker
from compress_onnx.runtime.targets.simulated import SimulatedTarget
from compress_onnx.runtime.targets.target import Target


def reached(target: Target) -> Elsewhere:
    """Return a target that has answered once, with its CPU's passport; a simulated one always answers.

    Errors
    ------
    WorkerError
        if it cannot be reached, or lacks NumPy or ONNX Runtime.
    """
    return target.open() if isinstance(target, SimulatedTarget) else asked_by_worker(target)
