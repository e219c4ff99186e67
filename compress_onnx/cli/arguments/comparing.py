"""What commands that compare models on images are asked for: ``compare`` and ``check`` take all of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments.flags import Json, Out, Seed, flag
from compress_onnx.cli.arguments.preprocessing import PreprocessingFlags
from compress_onnx.cli.arguments.timing import Rounds
from compress_onnx.cli.output import say
from compress_onnx.options import BATCH, CALLS, ROUNDS, SALIENCY_SAMPLES, SALIENCY_TARGET, SEED, THREADS

if TYPE_CHECKING:
    from compress_onnx.comparison import CompareOptions

AUTO = "auto"
SaliencySamples = Annotated[int, flag(SALIENCY_SAMPLES)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFlags:
    """What was asked for on the command line; each field is an option of that name."""

    data: Annotated[
        str,
        typer.Option(
            help="digits, cifar10, gtsrb (with :train or :test), a .parquet or .npz file, or a folder per class."
        ),
    ]
    saliency: Annotated[
        str,
        typer.Option(
            help="Attribution method (grad-cam:LAYER for a layer by its ONNX name), none, or auto: "
            "gradient where the torch extra is installed."
        ),
    ] = AUTO
    saliency_samples: SaliencySamples = SALIENCY_SAMPLES.default
    saliency_target: Annotated[str, flag(SALIENCY_TARGET)] = SALIENCY_TARGET.default
    latency: Annotated[bool, typer.Option(help="Time the models too.")] = True
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads that predict, one per core by default; the timing's intra-op threads too, 1 by default."
        ),
    ] = None
    cache: Annotated[bool, typer.Option(help="Keep predictions for the next comparison of the same file and data.")] = (
        True
    )
    batch: Annotated[
        int, flag(BATCH, more="Models whose answers depend on the other images of a call predict so too.")
    ] = BATCH.default
    rounds: Rounds = ROUNDS.default
    calls: Annotated[int, flag(CALLS)] = CALLS.default
    seed: Seed = SEED.default
    target: Annotated[
        str,
        typer.Option(
            help="Ask another CPU too: simulated:x86-64-avx2, simulated:x86-64-vnni or simulated:aarch64 (its arithmetic, "
            "on this machine), qemu:haswell or qemu:CPU (emulated), qemu-aarch64:CPU:ROOT (a folder with an ARM "
            "Python), ssh://user@board:port/path/to/python (port and path may be left out), or local."
        ),
    ] = ""
    preprocessing: PreprocessingFlags
    out: Out = None
    as_json: Json = False

    def options(self, baseline: Path) -> CompareOptions:
        """Return the options as the library takes them, checked."""
        from compress_onnx.comparison import CompareOptions
        from compress_onnx.runtime import LatencyPlan

        plan = LatencyPlan(
            threads=self.threads or THREADS.default, batch=self.batch, rounds=self.rounds, calls=self.calls
        )
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
            preprocessing=self.preprocessing.of(baseline),
        )


def saliency_method(wanted: str) -> str:
    """Return the attribution method to use, as the library resolves it, and say so where saliency is left out."""
    from compress_onnx.comparison import saliency_method as resolved

    method = resolved(wanted)
    if wanted == AUTO and method == "none":
        say("Saliency is left out: it needs the torch extra (pip install 'compress-onnx[torch]').")
    return method
