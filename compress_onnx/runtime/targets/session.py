"""One model on a target, with the face of a session: what predicts here predicts there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.errors import DataError, WorkerError
from compress_onnx.model import Model
from compress_onnx.ort import is_saturated, probe_input, saturation_probe
from compress_onnx.records import Environment
from compress_onnx.runtime.bench import LatencyPlan, Timings, WorkerOptions, measure_latency
from compress_onnx.runtime.cpu import environment_of
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.targets.target import Target
from compress_onnx.runtime.workers import Worker

_EMULATED = "emulated: the system shows the host's"


@dataclasses.dataclass(frozen=True, slots=True)
class _Value:
    """An input or output of the model there, as ONNX Runtime describes it."""

    name: str
    type: str
    shape: list[int | str | None]


class _RemoteSession:
    """What :func:`logits_of` needs of a session, served by a worker that holds the model."""

    def __init__(self, worker: Worker, facts: Mapping[str, Any]) -> None:
        self._worker = worker
        self._inputs = [_Value(*value) for value in facts["inputs"]]
        self._outputs = [_Value(*value) for value in facts["outputs"]]

    def get_inputs(self) -> list[_Value]:
        return self._inputs

    def get_outputs(self) -> list[_Value]:
        return self._outputs

    def run(self, names: Sequence[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        outputs = self._worker.run(feed)
        missing = [name for name in names if name not in outputs]
        if missing:
            raise WorkerError(f"output {missing[0]!r}", "none of that name", where=self._worker.name)
        return [outputs[name] for name in names]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedTarget:
    """A target that has answered once: what it is, and what may be asked of it.

    ``environment`` names its CPU and versions.
    """

    target: Target
    environment: Environment

    @property
    def simulated(self) -> bool:
        """Whether its answers are computed here, by the arithmetic of such a CPU."""
        return False

    def expect_answers(self, model: Path | Model) -> None:
        """Raise :class:`ModelError` if it is known beforehand that the file cannot be answered for there."""

    def logits(
        self, model: Path | Model, batches: Iterable[NDArray[np.float32]], *, threads: int, classes: int
    ) -> NDArray[np.float32]:
        """Return the first output for all batches there, (N, C) float32, finite; C is ``classes``.

        Errors
        ------
        WorkerError
            if the target cannot start, dies, falls silent, or answers in another shape.
        ModelError
            if ONNX Runtime there refuses the model, or a logit is NaN or infinite.
        """
        with _loaded(self.target, model, threads=threads) as (worker, facts):
            logits = logits_of(_RemoteSession(worker, facts), batches, where=f"{model} on {self.target.name}")
        if logits.shape[1] != classes:
            raise WorkerError(
                f"{classes} logits per image, as here", f"{logits.shape[1]}", where=f"{model} on {self.target.name}"
            )
        return logits

    def latencies(
        self,
        models: Sequence[Path | Model],
        images: NDArray[np.float32],
        *,
        plan: LatencyPlan,
        rng: np.random.Generator,
    ) -> Timings:
        """Time the files there, baseline first, as :func:`~compress_onnx.runtime.bench.latency.measure_latency` does here.

        Workers run on any core there. What disturbs this machine is no warning of that one.

        Errors
        ------
        DataError
            if the target is emulated: its times say nothing.
        WorkerError, ModelError
            as for :meth:`logits`.
        """
        if self.target.emulator is not None:
            raise DataError("a real CPU to time", self.target.emulator, where=self.target.name)
        fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
        there = _PlanThere(**{**fields, "start": self.target.worker})
        return dataclasses.replace(measure_latency(models, images, plan=there, rng=rng), warnings=())


class _PlanThere(LatencyPlan):
    """A plan that pins nothing: the numbers of this machine's cores are not those of the target's."""

    def setting(self) -> WorkerOptions:
        """Return how the workers run there."""
        return WorkerOptions(threads=self.threads, spinning=self.spinning, cores=())


@contextlib.contextmanager
def _loaded(target: Target, model: Path | Model, *, threads: int) -> Iterator[tuple[Worker, dict[str, Any]]]:
    with target.worker() as worker:
        yield worker, worker.load(model, threads=threads)


def connect_by_worker(target: Target) -> ConnectedTarget:
    """Start a worker on the target once, and return it with its CPU's passport.

    Errors
    ------
    WorkerError
        if it cannot be reached, or lacks NumPy or ONNX Runtime.
    """
    with target.worker() as worker:
        facts, _ = worker.ask("passport")
        answer = next(iter(worker.probe(saturation_probe(), {"x": probe_input()}).values()))
        versions = {name: worker.facts[name] for name in ("numpy", "onnxruntime")}
    facts["packages"] = {**facts["packages"], **versions}
    environment = environment_of(facts, saturating=is_saturated(answer))
    return ConnectedTarget(
        target=target, environment=_emulated(environment, target) if target.emulator else environment
    )


def _emulated(environment: Environment, target: Target) -> Environment:
    """Return the environment without what is the host's: only the probe and the versions tell of the guest."""
    fields = ("cpu_features", "cpu_quota", "cpu_governor", "cpu_temperature_c")
    return dataclasses.replace(
        environment,
        cpu_model=target.cpu_model or environment.cpu_model,
        cpu_features=(),
        cpu_quota=None,
        cpu_governor=None,
        cpu_temperature_c=None,
        emulator=target.emulator,
        unknown=dict.fromkeys(fields, _EMULATED),
    )
