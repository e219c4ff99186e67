"""Compression recipes as text, such as ``prune:0.5+w8a8``: steps joined by ``+``, in order."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx import config
from compress_onnx.compress.repair_step import repair_model
from compress_onnx.errors import OptionError
from compress_onnx.extension_points import compressors
from compress_onnx.graph import read_embedded
from compress_onnx.records import OptionValue, RecipeStep
from compress_onnx.registry import unknown

REPAIR = "repair"
_BUILT_IN = frozenset({"prune", "prune-structured", "quantize"})
_WRITTEN = ("prune:<sparsity>", "prune-layer:<sparsity>", "structured:<fraction>")
_QUANTISED: dict[str, dict[str, OptionValue]] = {
    "w8a8": {"weights": "int8"},
    "w4a8": {"weights": "int4", "repair": "auto"},
    "w4a8-plain": {"weights": "int4", "scales": "max", "rounding": "nearest"},
    "mixed": {"weights": "mixed"},
}

Calibration = Callable[[], Iterable[NDArray[np.float32]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: a compressor's name and its options."""

    compressor: str
    options: dict[str, OptionValue]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RepairImages:
    """Images that repair, and the hash of the manifest that names them."""

    batches: Calibration
    sha256: str | None


def parse_recipe(text: str, quantisation: Mapping[str, OptionValue]) -> tuple[Step, ...]:
    """Return the steps of a recipe.

    ``prune:S`` prunes the fraction S globally, ``prune-layer:S`` per layer, ``structured:F``
    removes the fraction F of the channels; ``repair`` gives channels the first model's statistics
    again; ``w8a8``, ``w4a8`` and ``mixed`` quantise with the options ``quantisation`` (cpu, method,
    calibration), and ``w4a8-plain`` rounds 4-bit weights to nearest by their maximum and repairs
    nothing, as ONNX Runtime does; any other word is a compressor plug-in's name.

    >>> [step.compressor for step in parse_recipe("prune:0.5+w8a8", {"cpu": "aarch64"})]
    ['prune', 'quantize']

    Errors
    ------
    OptionError
        if a step is not written that way.
    UnknownNameError
        if no compressor has that name.
    """
    return tuple(_step(word.strip(), quantisation) for word in text.split("+"))


def _step(word: str, quantisation: Mapping[str, OptionValue]) -> Step:
    name, _, argument = word.partition(":")
    if name in {"prune", "prune-layer"}:
        scope = "global" if name == "prune" else "layer"
        return Step(compressor="prune", options={"sparsity": _fraction(argument, word), "scope": scope})
    if name == "structured":
        return Step(compressor="prune-structured", options={"fraction": _fraction(argument, word)})
    if argument:
        raise OptionError("a recipe step such as prune:0.5 or w8a8", repr(word))
    if name in _QUANTISED:
        return Step(compressor="quantize", options={**_QUANTISED[name], **quantisation})
    if name == REPAIR:
        return Step(compressor=REPAIR, options={"calibration": quantisation.get("calibration")})
    if name not in compressors():
        raise unknown("recipe step", name, [*_WRITTEN, *_QUANTISED, REPAIR, *_plugins()])
    return Step(compressor=name, options={})


def _plugins() -> list[str]:
    return [name for name in compressors().names() if name not in _BUILT_IN]


def _fraction(text: str, word: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        raise OptionError("a sparsity, as in prune:0.5", repr(word)) from None
    return config.SPARSITY.check(fraction)


def needs_calibration(steps: Iterable[Step]) -> bool:
    """Tell whether a recipe has a step that is fed images."""
    return any(step.compressor not in {"prune", "prune-structured"} for step in steps)


def compressed(
    model: onnx.ModelProto,
    steps: Iterable[Step],
    *,
    calibration: Calibration | None,
    repair: RepairImages | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[onnx.ModelProto, tuple[RecipeStep, ...]]:
    """Return the model after all steps, and its whole recipe with the seconds of these steps.

    ``repair`` are the images of repair steps, which want more of them than ``calibration`` has.
    """
    recipe, first = read_embedded(model).recipe, model
    for step in steps:
        started = clock()
        if step.compressor == REPAIR:
            images = repair or RepairImages(batches=calibration or list, sha256=_named(step))
            model = repair_model(first, model, images.batches, calibration=images.sha256)
        else:
            model = _applied(model, step, calibration)
        done = read_embedded(model).recipe[-1]
        recipe = (*recipe, dataclasses.replace(done, seconds=clock() - started))
    return model, recipe


def _named(step: Step) -> str | None:
    named = step.options.get("calibration")
    return None if named is None else str(named)


def _applied(model: onnx.ModelProto, step: Step, calibration: Calibration | None) -> onnx.ModelProto:
    compressor: Any = compressors()[step.compressor]
    result: onnx.ModelProto = compressor(model, step.options, calibration)
    return result
