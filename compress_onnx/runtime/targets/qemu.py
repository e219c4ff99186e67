"""Emulated CPUs: Debian's qemu-user runs this Python, or an ARM one, on a CPU of another kind."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

from compress_onnx.errors import TargetError
from compress_onnx.registry import unknown
from compress_onnx.runtime.targets.target import Target

ROOT_VARIABLE = "COMPRESS_ONNX_TARGET_ROOT"
_PYTHONS = ("usr/local/bin/python3", "usr/bin/python3")
_SECONDS = 20.0
_SIGILL = MappingProxyType(
    {
        "SIGILL": "That CPU lacks instructions that Python, NumPy or ONNX Runtime were built for; choose a later one.",
        "SIGSEGV": "This ONNX Runtime may be too new for this qemu: ONNX Runtime 1.27 ran under qemu 7.2 where 1.32 "
        "crashed.",
    }
)


def x86_64(cpu: str, *, name: str) -> Target:
    """Return this very environment on an emulated x86-64 CPU, such as ``haswell``.

    Errors
    ------
    TargetError
        if this machine is no x86-64 one, or has no qemu-x86_64.
    UnknownNameError
        if qemu does not know the CPU.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        raise TargetError(
            "an x86-64 machine, whose Python can run under qemu-x86_64",
            platform.machine(),
            where=name,
            remedy="Use a board over ssh://.",
        )
    emulator = _emulator("qemu-x86_64", name)
    model = _known(cpu, emulator, name)
    return _target(name, (emulator, "-cpu", model, sys.executable), model=model)


def aarch64(cpu: str, root: str, *, name: str) -> Target:
    """Return an emulated 64-bit ARM CPU whose Python and wheels lie in a root folder.

    ``root`` (else ``$COMPRESS_ONNX_TARGET_ROOT``) is a Debian root with Python 3, NumPy and ONNX
    Runtime for aarch64 in it.

    Errors
    ------
    TargetError
        if this machine has no qemu-aarch64, or the root folder holds no Python.
    UnknownNameError
        if qemu does not know the CPU.
    """
    emulator = _emulator("qemu-aarch64", name)
    model = _known(cpu, emulator, name)
    folder = _root(root or os.environ.get(ROOT_VARIABLE, ""), name)
    python = next((folder / place for place in _PYTHONS if (folder / place).exists()), None)
    if python is None:
        raise TargetError(
            f"a root folder with {' or '.join(_PYTHONS)}",
            "none of them",
            where=folder,
            remedy="The README says how to make one.",
        )
    return _target(name, (emulator, "-cpu", model, "-L", str(folder), str(python)), model=model)


def _target(name: str, command: tuple[str, ...], *, model: str) -> Target:
    emulator = f"{Path(command[0]).name} {_version(command[0])}"
    return Target(name=name, command=command, cpu_model=model, emulator=emulator, remedies=_SIGILL)


def _root(root: str, name: str) -> Path:
    if not root:
        raise TargetError(
            "a root folder with an ARM Python",
            "none",
            where=name,
            remedy=f"Name it as {name}:/path/to/root or in ${ROOT_VARIABLE}; the README says how to make one.",
        )
    folder = Path(root).expanduser().absolute()
    if not folder.is_dir():
        raise TargetError("a root folder with an ARM Python", "no folder", where=folder, remedy="Check the path.")
    return folder


def _emulator(program: str, name: str) -> str:
    emulator = shutil.which(program) or shutil.which(f"{program}-static")
    if emulator is None:
        raise TargetError(
            f"{program} on this machine",
            "none",
            where=name,
            remedy="Install Debian's package qemu-user: apt-get install qemu-user.",
        )
    return emulator


def _known(cpu: str, emulator: str, name: str) -> str:
    """Return qemu's own spelling of a CPU's name, whatever its case."""
    models = {model.lower(): model for model in cpu_models(emulator)}
    if cpu.lower() not in models:
        raise unknown("emulated CPU", cpu, sorted(models.values()), where=name)
    return models[cpu.lower()]


@functools.cache
def cpu_models(emulator: str) -> tuple[str, ...]:
    """Return the CPUs that a qemu program can play, in its order, its numbered versions left out."""
    return named_models(_said(emulator, "-cpu", "help"))


def named_models(listing: str) -> tuple[str, ...]:
    r"""Return the names in what ``qemu -cpu help`` prints.

    >>> named_models("Available CPUs:\nx86 Haswell  (alias)\nx86 Haswell-v1  Intel\n  cortex-a72\n\nFlags:\n  avx")
    ('Haswell', 'cortex-a72')
    """
    listed = listing.partition("Available CPUs:")[2].partition("\n\n")[0]
    models = re.findall(r"^(?:x86[ \t]+|[ \t]+)(\S+)", listed, re.MULTILINE)
    return tuple(name for name in models if not re.search(r"-v\d+$", name))


def _version(emulator: str) -> str:
    version = re.search(r"version (\d[\w.]*)", _said(emulator, "--version"))
    return version[1] if version else "of unknown version"


def _said(*command: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603  # a qemu program that was looked up
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetError("an emulator that runs", str(error), where=command[0], remedy="Install it again.") from error
    return answer.stdout
