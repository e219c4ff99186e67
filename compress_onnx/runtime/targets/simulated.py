"""Classes of CPUs by the arithmetic of their integer kernels: no emulator and no board, on any machine.

ONNX Runtime here computes everything but the sums in which the two kinds of CPU differ; those are
added as the other kind adds them, bit for bit. What no measurement covers is refused.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.model import Model
from compress_onnx.ort import EmulatedModel, expect_measured, fused, open_session, saturates
from compress_onnx.records import Environment
from compress_onnx.registry import unknown
from compress_onnx.runtime.cpu import cpu_label, environment, target_of
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.targets.session import ConnectedTarget
from compress_onnx.runtime.targets.target import Target

KIND = "simulated"
# Whether the class adds pairs of U8S8 products in int16.
SATURATING: Mapping[str, bool] = MappingProxyType({"aarch64": False, "x86-64-avx2": True, "x86-64-vnni": False})
FORMS = tuple(f"{KIND}:{cpu}" for cpu in SATURATING)
_UNKNOWN = "simulated: no CPU of that class was asked"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTarget(Target):
    """A class of CPUs, ``cpu`` as in ``config.CPU``; its ``command`` is empty, since no process answers for it."""

    cpu: str

    def open(self) -> SimulatedCpu:
        """Return what may be asked of it."""
        return SimulatedCpu(target=self, environment=_environment(self.cpu), saturating=SATURATING[self.cpu])


def simulated(cpu: str, *, name: str) -> SimulatedTarget:
    """Return the target of a class of CPUs.

    Errors
    ------
    UnknownNameError
        if no such class is known.
    """
    if cpu not in SATURATING:
        raise unknown("simulated CPU", cpu, sorted(SATURATING), where=name)
    return SimulatedTarget(name=name, command=(), cpu=cpu, emulator=f"the arithmetic of its kernels, on {cpu_label()}")


def _environment(cpu: str) -> Environment:
    fields = ("cpu_features", "cpu_quota", "cpu_governor", "cpu_temperature_c")
    return dataclasses.replace(
        environment(),
        cpu_model="simulated",
        cpu_target=cpu,
        cpu_saturates=SATURATING[cpu],
        cpu_features=(),
        cpu_quota=None,
        cpu_governor=None,
        cpu_temperature_c=None,
        emulator=f"the arithmetic of its kernels, on {cpu_label()}",
        unknown=dict.fromkeys(fields, _UNKNOWN),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCpu(ConnectedTarget):
    """A class of CPUs that is computed here; ``saturating`` tells how it adds."""

    saturating: bool

    @property
    def simulated(self) -> bool:
        """Whether its answers are computed here: yes."""
        return True

    def _is_this_machine(self) -> bool:
        """Tell whether the runtime here is one of the class; ARM adds as VNNI does, where that was measured."""
        return self.environment.cpu_target == target_of(platform.machine(), saturates)

    def expect_answers(self, model: Path | Model) -> None:
        """Raise :class:`ModelError` if a kernel of the file was never measured on such a CPU."""
        if not self._is_this_machine():
            expect_measured(fused(Model.of(model).proto, where=model), self.environment.cpu_target, where=model)

    def logits(
        self, model: Path | Model, batches: Iterable[NDArray[np.float32]], *, threads: int, classes: int
    ) -> NDArray[np.float32]:
        """Return the first output for all batches as such a CPU gives it, (N, C) float32, finite.

        Errors
        ------
        ModelError
            if ONNX Runtime refuses the model, a kernel was never measured, or a logit is not finite.
        """
        del classes
        session = open_session(model, threads=threads)
        if self._is_this_machine():
            return logits_of(session, batches, where=model)
        source = fused(Model.of(model).proto, where=model)
        expect_measured(source, self.environment.cpu_target, where=model)
        if self.saturating == saturates():
            return logits_of(session, batches, where=model)
        emulated = EmulatedModel(source, saturating=self.saturating, threads=threads)
        return logits_of(_EmulatedSession(session, emulated), batches, where=f"{model} on {self.target.name}")


class _EmulatedSession:
    """An emulated model with the face of a session."""

    def __init__(self, session: Any, model: EmulatedModel) -> None:
        self.get_inputs, self.get_outputs = session.get_inputs, session.get_outputs
        self._model = model

    def run(self, names: Sequence[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        (images,) = feed.values()
        return [self._model.logits(images)] * len(names)
