"""Every option, declared once: default, unit, bounds and the reason for the default.

The command line reads help texts and defaults here, the library checks values here, and a run's
record keeps the resolved values.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from compress_onnx.errors import OptionError
from compress_onnx.registry import unknown

N = TypeVar("N", int, float)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NumberOption(Generic[N]):
    """A number with a default and bounds; ``below`` excludes its value, ``low``/``high`` include theirs.

    >>> NumberOption(name="sparsity", default=0.5, low=0.0, below=1.0, help="").check(0.7)
    0.7
    """

    name: str
    default: N
    help: str
    low: N | None = None
    high: N | None = None
    below: N | None = None

    def check(self, value: N) -> N:
        """Return ``value`` if it lies within the bounds, else raise :class:`OptionError`."""
        fits = (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
        )
        if not fits:
            raise OptionError(f"{self.name} {self.bounds()}", str(value), remedy=f"Give --{self.name} a value there.")
        return value

    def bounds(self) -> str:
        """Say the bounds in words."""
        parts = [f"at least {self.low}"] if self.low is not None else []
        parts += [f"at most {self.high}"] if self.high is not None else []
        parts += [f"below {self.below}"] if self.below is not None else []
        return " and ".join(parts) or "that is finite"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOption:
    """One of a few names."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...]

    def check(self, value: str) -> str:
        """Return ``value`` if it is one of the choices, else raise with near names."""
        if value not in self.choices:
            raise unknown(self.name, value, self.choices, where=f"--{self.name}")
        return value


# Half of the weights: the step at which the published study's networks still keep their accuracy.
SPARSITY = NumberOption(
    name="sparsity", default=0.5, low=0.0, below=1.0, help="Fraction of prunable weights set to zero, 0 to below 1."
)
SCOPE = ChoiceOption(
    name="scope",
    default="global",
    choices=("global", "layer"),
    help="One magnitude threshold over all weights (global) or one per tensor (layer).",
)
WEIGHTS = ChoiceOption(name="weights", default="int8", choices=("int8",), help="Weight type.")
# 512 images: the accuracy of MinMax ranges no longer moves, and calibration stays within seconds.
CALIBRATION_SIZE = NumberOption(
    name="calibration-size", default=512, low=1, help="Number of training images that choose the ranges."
)
METHOD = ChoiceOption(
    name="method",
    default="minmax",
    choices=("minmax", "entropy", "percentile"),
    help="How ranges are chosen from the calibration images.",
)
CPU = ChoiceOption(
    name="cpu",
    default="auto",
    choices=("auto", "x86-64-vnni", "x86-64-avx2", "aarch64"),
    help="CPU the file will run on; auto asks a probe of this one.",
)
SEED = NumberOption(name="seed", default=0, low=0, help="Seed of every random choice.")
# One thread, one image: what an edge box does with a camera.
THREADS = NumberOption(name="threads", default=1, low=1, help="Intra-op threads of ONNX Runtime.")
BATCH = NumberOption(name="batch", default=1, low=1, help="Images per call when timing.")
ROUNDS = NumberOption(name="rounds", default=10, low=1, help="Interleaved timing rounds.")
CALLS = NumberOption(name="calls", default=50, low=1, help="Timed calls per model and round.")
# 500 images bound the saliency stage to seconds; the record states the number.
SALIENCY_SAMPLES = NumberOption(
    name="saliency-samples", default=500, low=1, help="Evaluation images whose saliency maps are compared."
)
# 300 flips with three small pictures each stay below a few megabytes in the report.
PICTURES = NumberOption(
    name="pictures", default=300, low=0, help="Flipped samples per candidate that the report shows with pictures."
)


def data_root() -> Path:
    """Return the folder of the named data sets: ``$COMPRESS_ONNX_DATA``, else the user's cache."""
    chosen = os.environ.get("COMPRESS_ONNX_DATA")
    return Path(chosen).expanduser() if chosen else cache_root() / "data"


def kept_folders(name: str) -> tuple[Path, ...]:
    """Return where ``models`` or ``calibration`` are looked up, first to last.

    The working directory's, the checkout's, and what the wheel brings for the demo.
    """
    package = Path(__file__).resolve().parent
    return Path(name), package.parent / name, package / "share" / name


def cache_root() -> Path:
    """Return the user's cache folder for this tool (``$XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "compress-onnx"


Progress = Callable[[float, str], None]
"""Told the fraction done (0 to 1) of a long step and a short description of where it is."""


def silent(fraction: float, description: str) -> None:
    """Ignore progress: the default of every long step."""


Stages = Callable[[str], Progress]
"""Given a stage's name, returns the progress of that stage."""


def silent_stages(name: str) -> Progress:
    """Ignore the progress of every stage."""
    del name
    return silent
