"""A target by the name that ``--target`` takes."""

from __future__ import annotations

import sys

from compress_onnx.registry import unknown
from compress_onnx.runtime.targets import qemu, simulated, ssh
from compress_onnx.runtime.targets.target import Target

FORMS = ("local", *simulated.FORMS, "qemu:haswell", "qemu:CPU", "qemu-aarch64:CPU[:/path/to/root]", ssh.FORM)


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
    if kind == simulated.KIND and rest:
        return simulated.simulated(rest, name=text)
    if kind == "qemu" and rest:
        return qemu.x86_64(rest, name=text)
    if kind == "qemu-aarch64" and rest:
        cpu, _, root = rest.partition(":")
        return qemu.aarch64(cpu, root, name=text)
    if kind == "ssh" and separator:
        return ssh.board(text)
    raise unknown("target", text, FORMS, where="--target")
