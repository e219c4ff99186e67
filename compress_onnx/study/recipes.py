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
from compress_onnx.errors import OptionError
from compress_onnx.extension_points import compressors
from compress_onnx.graph import read_embedded
from compress_onnx.records import OptionValue, RecipeStep
from compress_onnx.registry import unknown

Calibration = Callable[[], Iterable[NDArray[np.float32]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: a compressor's name and its options."""

    compressor: str
    options: dict[str, OptionValue]


def parse_recipe(text: str, quantisation: Mapping[str, OptionValue]) -> tuple[Step, ...]:
    """Return the steps of a recipe.

    ``prune:S`` prunes the fraction S globally, ``prune-layer:S`` per layer, ``w8a8`` quantises
    with the options ``quantisation`` (cpu, method, calibration); any other word is a compressor
    plug-in's name.

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
    if argument:
        raise OptionError("a recipe step such as prune:0.5 or w8a8", repr(word))
    if name == "w8a8":
        return Step(compressor="quantize", options={"weights": "int8", **quantisation})
    if name not in compressors():
        raise unknown("recipe step", name, ["prune:<sparsity>", "prune-layer:<sparsity>", "w8a8", *_plugins()])
    return Step(compressor=name, options={})


def _plugins() -> list[str]:
    return [name for name in compressors().names() if name not in {"prune", "quantize"}]


def _fraction(text: str, word: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        raise OptionError("a sparsity, as in prune:0.5", repr(word)) from None
    return config.SPARSITY.check(fraction)


def needs_calibration(steps: Iterable[Step]) -> bool:
    """Tell whether a recipe has a step that is fed images."""
    return any(step.compressor != "prune" for step in steps)


def compressed(
    model: onnx.ModelProto,
    steps: Iterable[Step],
    *,
    calibration: Calibration | None,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[onnx.ModelProto, tuple[RecipeStep, ...]]:
    """Return the model after all steps, and its whole recipe with the seconds of these steps."""
    recipe = read_embedded(model).recipe
    for step in steps:
        started = clock()
        model = _applied(model, step, calibration)
        done = read_embedded(model).recipe[-1]
        recipe = (*recipe, dataclasses.replace(done, seconds=clock() - started))
    return model, recipe


def _applied(model: onnx.ModelProto, step: Step, calibration: Calibration | None) -> onnx.ModelProto:
    compressor: Any = compressors()[step.compressor]
    result: onnx.ModelProto = compressor(model, step.options, calibration)
    return result
