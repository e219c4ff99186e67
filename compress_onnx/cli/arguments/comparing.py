"""The options of commands that compare models on images, declared once: ``compare`` and ``check`` take them all."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from compress_onnx.cli.arguments.shared import (
    Batch,
    Cache,
    Calls,
    Data,
    Json,
    Layout,
    Mean,
    Out,
    Rounds,
    Saliency,
    SaliencySamples,
    SaliencyTarget,
    Seed,
    Size,
    Std,
    Target,
    UsedThreads,
    preprocessing_of,
)
from compress_onnx.cli.output import AUTO, plan_of, saliency_method
from compress_onnx.options import BATCH, CALLS, ROUNDS, SALIENCY_SAMPLES, SALIENCY_TARGET, SEED, THREADS

if TYPE_CHECKING:
    from compress_onnx.compare import CompareOptions

Latency = Annotated[bool, typer.Option(help="Time the models too.")]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """What was asked for on the command line; each field is an option of that name."""

    data: Data
    saliency: Saliency = AUTO
    saliency_samples: SaliencySamples = SALIENCY_SAMPLES.default
    saliency_target: SaliencyTarget = SALIENCY_TARGET.default
    latency: Latency = True
    threads: UsedThreads = None
    cache: Cache = True
    batch: Batch = BATCH.default
    rounds: Rounds = ROUNDS.default
    calls: Calls = CALLS.default
    seed: Seed = SEED.default
    target: Target = ""
    mean: Mean = ""
    std: Std = ""
    size: Size = ""
    layout: Layout = "NCHW"
    out: Out = None
    as_json: Json = False

    def options(self, baseline: Path) -> CompareOptions:
        """Return the options as the library takes them, checked."""
        from compress_onnx.compare import CompareOptions

        timed = {"batch": self.batch, "rounds": self.rounds, "calls": self.calls}
        plan = plan_of(threads=self.threads or THREADS.default, **timed)
        return CompareOptions(
            saliency=saliency_method(self.saliency),
            saliency_samples=self.saliency_samples,
            saliency_target=self.saliency_target,
            latency=plan if self.latency else None,
            threads=self.threads,
            cache=self.cache,
            batch=self.batch,
            seed=self.seed,
            target=self.target or None,
            preprocessing=preprocessing_of(baseline, mean=self.mean, std=self.std, size=self.size, layout=self.layout),
        )


def comparing(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every option of :class:`Comparing` in place of its parameter ``how``, some with other defaults."""

    def given(command: Callable[..., None]) -> Callable[..., None]:
        names = [field.name for field in dataclasses.fields(Comparing)]

        @functools.wraps(command)
        def called(**values: Any) -> None:
            how = Comparing(**{name: values.pop(name) for name in names})
            command(how=how, **values)

        called.__signature__ = _spread(command, defaults)  # type: ignore[attr-defined]  # what inspect reads
        return called

    return given


def _spread(command: Callable[..., None], defaults: dict[str, Any]) -> inspect.Signature:
    """Return the command's signature with an option per field in place of ``how``."""
    hints = get_type_hints(Comparing, include_extras=True)
    fields = inspect.signature(Comparing).parameters.values()
    options = [
        field.replace(annotation=hints[field.name], default=defaults.get(field.name, field.default)) for field in fields
    ]
    own = inspect.signature(command, eval_str=True).parameters.values()
    spread = [new for parameter in own for new in (options if parameter.name == "how" else [parameter])]
    return inspect.Signature(spread)
