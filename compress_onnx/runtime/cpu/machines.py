"""Whether two latencies may be compared at all: only where they were measured on the same machine."""

from __future__ import annotations

from compress_onnx.errors import MachineError
from compress_onnx.records import Environment

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
