"""A target by the name that ``--target`` takes, and the first question to it."""

from __future__ import annotations

import sys

from compress_onnx.registry import unknown
from compress_onnx.runtime.targets.qemu import aarch64, x86_64
from compress_onnx.runtime.targets.session import ConnectedTarget, connect_by_worker
from compress_onnx.runtime.targets.simulated import FORMS as SIMULATED_FORMS
from compress_onnx.runtime.targets.simulated import KIND as SIMULATED
from compress_onnx.runtime.targets.simulated import SimulatedTarget, simulated
from compress_onnx.runtime.targets.ssh import FORM as SSH_FORM
from compress_onnx.runtime.targets.ssh import board
from compress_onnx.runtime.targets.target import Target

FORMS = ("local", *SIMULATED_FORMS, "qemu:haswell", "qemu:CPU", "qemu-aarch64:CPU[:/path/to/root]", SSH_FORM)


def target_named(text: str) -> Target:
    """Return the target of a name.

    It is ``local``, ``simulated:CLASS``, ``qemu:CPU``, ``qemu-aarch64:CPU[:ROOT]`` or ``ssh://…``.

    Errors
    ------
    UnknownNameError
        if the name has none of these forms, or the CPU is not known.
    OptionError
        if an ssh address is not of its form.
    TargetError
        if this machine lacks the program that the target needs.
    """
    kind, separator, rest = text.partition(":")
    if text == "local":
        return Target(name=text, command=(sys.executable,))
    if kind == SIMULATED and rest:
        return simulated(rest, name=text)
    if kind == "qemu" and rest:
        return x86_64(rest, name=text)
    if kind == "qemu-aarch64" and rest:
        cpu, _, root = rest.partition(":")
        return aarch64(cpu, root, name=text)
    if kind == "ssh" and separator:
        return board(text)
    raise unknown("target", text, FORMS, where="--target")


def connect(target: Target) -> ConnectedTarget:
    """Return a target that has answered once, with its CPU's passport; a simulated one always answers.

    Errors
    ------
    WorkerError
        if it cannot be reached, or lacks NumPy or ONNX Runtime.
    """
    return target.open() if isinstance(target, SimulatedTarget) else connect_by_worker(target)
