"""Compression recipes as text, such as ``prune:0.5+w8a8``: steps joined by ``+``, in order."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress import PruneOptions, Reference, referenced, repair_model
from compress_onnx.errors import OptionError
from compress_onnx.extension_points import compressors
from compress_onnx.model import read_embedded
from compress_onnx.options import MAX_DROP, SEED, SPARSITY, NumberOption
from compress_onnx.records import OptionValue, RecipeStep
from compress_onnx.registry import unknown
from compress_onnx.steps import PreparedData, Search, searched_model

REPAIR = "repair"
SEARCH = "search"
_BUILT_IN = frozenset({"prune", "prune-structured", "quantize"})
_PRUNED: dict[str, dict[str, OptionValue]] = {
    "prune": {"scope": "global"},
    "prune-layer": {"scope": "layer"},
    "prune-folded": {"scope": "global", "basis": "folded"},
}
_SEARCHED: dict[str, dict[str, OptionValue]] = {
    SEARCH: {"basis": "unfolded", "repair": "auto"},
    "search-folded": {"basis": "folded", "repair": "none"},
}
# Sparsity, largest loss of accuracy, fraction: one letter each, so that a near name is still found near.
_WRITTEN = (*(f"{name}:S" for name in _PRUNED), *(f"{name}:D" for name in _SEARCHED), "structured:F")
_QUANTIZED: dict[str, dict[str, OptionValue]] = {
    "w8a8": {"weights": "int8"},
    "w4a8": {"weights": "int4", "repair": "auto"},
    "w4a8-plain": {"weights": "int4", "scales": "max", "rounding": "nearest"},
    "mixed": {"weights": "mixed"},
}

Calibration = Callable[[], Iterable[NDArray[np.float32]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompressionStep:
    """One step: a compressor's name and its options."""

    compressor: str
    options: dict[str, OptionValue]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RepairImages:
    """Images that repair, and the hash of the manifest that names them.

    ``reference`` is the first model on them, measured once for all recipes. A search step also needs
    them ``prepared``, with labels; ``seed`` halves them.
    """

    batches: Calibration
    sha256: str | None
    reference: Reference | None = None
    prepared: PreparedData | None = None
    seed: int = SEED.default

    def of(self, model: onnx.ModelProto) -> AbstractContextManager[Reference]:
        """Return ``model`` on these images: the reference where it is that model."""
        if self.reference is not None and self.reference.given is model:
            return contextlib.nullcontext(self.reference)
        return referenced(model, self.batches)


def parse_recipe(text: str, quantization: Mapping[str, OptionValue]) -> tuple[CompressionStep, ...]:
    """Return the steps of a recipe.

    ``prune:S`` prunes the fraction S globally, ``prune-layer:S`` per layer, ``prune-folded:S`` globally
    after BatchNorm is folded; ``search:D`` prunes and repairs as far as the accuracy loss on
    calibration images surely stays within D, ``search-folded:D`` prunes folded weights that far and repairs
    nothing; ``structured:F`` removes the fraction F of the channels; ``repair`` moves kept weights to
    make up for pruned ones and gives channels the first model's statistics again; ``w8a8``, ``w4a8``
    and ``mixed`` quantize with the options ``quantization`` (cpu, method, calibration), and ``w4a8-plain`` rounds 4-bit weights to nearest by their maximum and repairs
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
    return tuple(_step(word.strip(), quantization) for word in text.split("+"))


def _step(word: str, quantization: Mapping[str, OptionValue]) -> CompressionStep:
    name, _, argument = word.partition(":")
    if name in _PRUNED:
        sparsity = _number(argument, SPARSITY, word)
        return CompressionStep(compressor="prune", options={"sparsity": sparsity, **_PRUNED[name]})
    if name in _SEARCHED:
        limit = _number(argument, MAX_DROP, word)
        return CompressionStep(compressor=SEARCH, options={"max_drop": limit, **_SEARCHED[name]})
    if name == "structured":
        return CompressionStep(compressor="prune-structured", options={"fraction": _number(argument, SPARSITY, word)})
    if argument and (name in _QUANTIZED or name == REPAIR or name in compressors()):
        raise OptionError(f"{name} without a number", repr(word))
    if name in _QUANTIZED:
        return CompressionStep(compressor="quantize", options={**_QUANTIZED[name], **quantization})
    if name == REPAIR:
        return CompressionStep(compressor=REPAIR, options={"calibration": quantization.get("calibration")})
    if name not in compressors():
        raise unknown("recipe step", name, [*_WRITTEN, *_QUANTIZED, REPAIR, *_plugins()])
    return CompressionStep(compressor=name, options={})


def _plugins() -> list[str]:
    return [name for name in compressors().names() if name not in _BUILT_IN]


def _number(text: str, option: NumberOption[float], word: str) -> float:
    try:
        return option.check(float(text))
    except (ValueError, OptionError):
        name = word.partition(":")[0]
        wanted = f"a number {option.bounds()} in a recipe step, as in {name}:{option.default}"
        raise OptionError(wanted, repr(word)) from None


def needs_many(steps: Iterable[CompressionStep]) -> bool:
    """Tell whether a recipe has a step that wants more images than calibration: a repair or a search."""
    return any(step.compressor in {REPAIR, SEARCH} for step in steps)


def needs_calibration(steps: Iterable[CompressionStep]) -> bool:
    """Tell whether a recipe has a step that is fed images."""
    return any(step.compressor not in {"prune", "prune-structured"} for step in steps)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepImages:
    """What steps are fed: ``calibration`` batches, and ``repair`` images, which are more of them."""

    calibration: Calibration | None = None
    repair: RepairImages | None = None

    def repairing(self, step: CompressionStep) -> RepairImages:
        """Return the images of a repair step: those that calibrate where there are no others."""
        named = step.options.get("calibration")
        return self.repair or RepairImages(
            batches=self.calibration or list, sha256=None if named is None else str(named)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartialResult:
    """A model between two steps: the ``first`` one, what it has become, and its recipe with seconds."""

    first: onnx.ModelProto
    model: onnx.ModelProto
    recipe: tuple[RecipeStep, ...]


def before_steps(model: onnx.ModelProto) -> PartialResult:
    """Return what there is before the first step: the model itself."""
    return PartialResult(first=model, model=model, recipe=read_embedded(model).recipe)


def after_step(
    result: PartialResult, step: CompressionStep, *, images: StepImages, clock: Callable[[], float] = time.perf_counter
) -> PartialResult:
    """Return what there is after one more step."""
    started, recorded = clock(), len(read_embedded(result.model).recipe)
    if step.compressor == REPAIR:
        chosen = images.repairing(step)
        with chosen.of(result.first) as reference:
            model = repair_model(reference, result.model, calibration=chosen.sha256)
    elif step.compressor == SEARCH:
        model = _searched(result.model, step, images.repairing(step))
    else:
        model = _applied(result.model, step, images.calibration)
    *before, done = read_embedded(model).recipe[recorded:]
    timed = dataclasses.replace(done, seconds=clock() - started)
    return dataclasses.replace(result, model=model, recipe=(*result.recipe, *before, timed))


def _searched(model: onnx.ModelProto, step: CompressionStep, images: RepairImages) -> onnx.ModelProto:
    if images.prepared is None:
        raise OptionError("labeled images to search on", "none", where=step.compressor)
    job = Search(
        options=PruneOptions(basis=str(step.options["basis"])),
        max_drop=float(str(step.options["max_drop"])),
        repairs=step.options["repair"] == "auto",
        seed=images.seed,
    )
    with images.of(model) as reference:
        return searched_model(reference, job, images=images.prepared)[0]


def _applied(model: onnx.ModelProto, step: CompressionStep, calibration: Calibration | None) -> onnx.ModelProto:
    compressor: Any = compressors()[step.compressor]
    result: onnx.ModelProto = compressor(model, step.options, calibration)
    return result
