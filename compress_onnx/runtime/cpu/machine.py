"""What this CPU can do: asked by a probe that runs, and described for people by its passport."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from compress_onnx.errors import MachineError, OptionError
from compress_onnx.options import CPU
from compress_onnx.ort import saturates
from compress_onnx.records import Environment
from compress_onnx.runtime.workers import read_passport

# Integer dot products and the vector widths below them; keys are the spellings of Linux and py-cpuinfo.
_FEATURES = {
    "amx_int8": "amx_int8",
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
}


def cpu_target() -> str:
    """Return the name by which quantization types are chosen for this CPU, one of ``config.CPU``.

    Errors
    ------
    OptionError
        if the machine is neither x86-64 nor 64-bit ARM.
    """
    return target_of(platform.machine(), saturates)


def target_of(machine: str, saturating: Callable[[], bool]) -> str:
    """Return the name of a CPU class, one of ``config.CPU``, asking ``saturating`` on x86-64 only.

    ``machine`` is what ``platform.machine`` says there.

    Errors
    ------
    OptionError
        if the machine is neither x86-64 nor 64-bit ARM.

    >>> target_of("x86_64", lambda: True), target_of("arm64", lambda: False)
    ('x86-64-avx2', 'aarch64')
    """
    name = machine.lower()
    if name in {"aarch64", "arm64"}:
        return "aarch64"
    if name in {"x86_64", "amd64"}:
        return "x86-64-avx2" if saturating() else "x86-64-vnni"
    raise OptionError(
        "an x86-64 or AArch64 CPU", repr(name), remedy=f"Name the target with --cpu {'|'.join(CPU.choices[1:])}."
    )


def cpu_label() -> str:
    """Return model and target of this CPU in one line, as predictions carry it."""
    return f"{cpu_model()} ({cpu_target()})"


def cpu_model() -> str:
    """Return the CPU's marketing name, or its architecture where the system names no model."""
    return str(_cpu_info().get("brand_raw") or platform.machine())


def cpu_features() -> tuple[str, ...]:
    """Return which of the features that matter to integer kernels this CPU lists, sorted."""
    return named_features(_cpu_info().get("flags", ()))


def named_features(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the features that matter to integer kernels under one name each, sorted.

    >>> named_features(["sse", "avx512vnni", "avx512_vnni", "asimddp"])
    ('avx512_vnni', 'dotprod')
    """
    return tuple(sorted({_FEATURES[flag] for flag in flags if flag in _FEATURES}))


@functools.cache
def _cpu_info() -> dict[str, Any]:
    # py-cpuinfo takes about a second, most of it in a child process; Linux on x86-64 says both in a file.
    facts = read_passport()
    if facts["machine"] == "x86_64" and facts["flags"]:
        return {"brand_raw": facts["cpu_model"], "flags": facts["flags"]}
    import cpuinfo

    return dict(cpuinfo.get_cpu_info())


@functools.cache
def environment() -> Environment:
    """Return versions, system and the CPU's passport, of this process; the host's name is no part of it."""
    facts = read_passport()
    known = {"cpu_model": cpu_model(), "flags": _cpu_info().get("flags") or facts["flags"]}
    return environment_of({**facts, **known}, saturating=saturates())


def environment_of(facts: Mapping[str, Any], *, saturating: bool) -> Environment:
    """Return the record of where numbers were measured.

    ``facts`` are those of :func:`~compress_onnx.runtime.workers.passport.read_passport` there,
    ``saturating`` is what the probe showed there.

    Errors
    ------
    OptionError
        if the machine is neither x86-64 nor 64-bit ARM.
    """
    unknown = dict(facts["unknown"])
    if "flags" in unknown:
        unknown["cpu_features"] = unknown.pop("flags")
    return Environment(
        python=facts["python"],
        system=facts["system"],
        packages=dict(facts["packages"]),
        cpu_model=facts["cpu_model"],
        cpu_features=named_features(facts["flags"]),
        cpu_saturates=saturating,
        cpu_target=target_of(facts["machine"], lambda: saturating),
        cores=facts["cores"],
        cpu_quota=facts["cpu_quota"],
        cpu_governor=facts["cpu_governor"],
        cpu_temperature_c=facts["cpu_temperature_c"],
        unknown=unknown,
    )


# What makes a CPU another one for a stopwatch. Temperature and versions are none: they vary on one machine.
_IDENTITY = {
    "cpu_model": "CPU",
    "cpu_target": "CPU class",
    "cpu_features": "CPU features",
    "cores": "usable cores",
    "cpu_quota": "CPU quota",
    "cpu_governor": "governor",
    "emulator": "emulator",
}


def machine_differences(one: Environment, other: Environment) -> tuple[str, ...]:
    """Return in what two machines differ as far as latency is concerned, in words; empty for the same."""
    pairs = ((words, getattr(one, name), getattr(other, name)) for name, words in _IDENTITY.items())
    return tuple(f"{words} {_shown(a)} and {_shown(b)}" for words, a, b in pairs if a != b)


def expect_same_machine(one: Environment, other: Environment, *, where: object = "") -> None:
    """Raise :class:`MachineError` unless both are the same CPU with the same share of it.

    Compared are model, class, features, usable cores, quota, governor and emulator. Latencies of
    an emulator are never compared: it says nothing about the time of the CPU it plays.

    Errors
    ------
    MachineError
        if the two differ, or are emulated.
    """
    differences = machine_differences(one, other)
    if differences:
        raise MachineError(
            "latencies of one machine",
            "; ".join(differences),
            where=where,
            remedy="Measure both on the same machine with the same settings.",
        )
    if one.emulator is not None:
        raise MachineError(
            "latencies of a real CPU", f"those of {one.emulator}", where=where, remedy="Measure on the board itself."
        )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)
