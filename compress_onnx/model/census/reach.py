"""Weights that a compression does not reach: which, their share, and why; in the recipe, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from compress_onnx.errors import ModelError
from compress_onnx.model.census.census import Weight, weights
from compress_onnx.model.census.precision import float_weights
from compress_onnx.model.census.prunable import out_of_reach
from compress_onnx.model.constants import CPU_LAYOUTS
from compress_onnx.records import OptionValue, RecipeStep

# More than this cannot be passed over: a sparsity asked for would not be that of the network.
MOST_OUT_OF_REACH = 0.01
NOT_REACHED, SHARE = "not_reached", "not_reached_share"
_NAMED = 3


def expect_in_reach(model: onnx.ModelProto, *, where: object) -> dict[str, OptionValue]:
    """Return what pruning does not reach as a recipe keeps it, empty where it reaches all.

    Errors
    ------
    ModelError
        if that is more than 1 % of the weights.
    """
    reasons, every = out_of_reach(model), weights(model)
    missed = not_reached(every, reasons)
    share = missed.get(SHARE, 0.0)
    unknown = any(weight.name in reasons and weight.is_unknown for weight in every)
    if unknown or (isinstance(share, float) and share > MOST_OUT_OF_REACH):
        raise ModelError(
            f"a model of whose weights at most {MOST_OUT_OF_REACH:.0%} are out of reach",
            f"{'an unknown share' if unknown else f'{share:.1%}'}: {_listed([f'{name}, {why}' for name, why in reasons.items()])}",
            where=where,
            remedy="Export it again as plain ONNX, with its weights as initializers, and prune that.",
        )
    return missed


def expect_plain_order(model: onnx.ModelProto, *, where: object) -> None:
    """Raise :class:`ModelError` where the runtime has put weights in the order of one CPU's kernels."""
    blocked = [node for node in model.graph.node if node.domain in CPU_LAYOUTS]
    if blocked:
        raise ModelError(
            "plain ONNX",
            f"{len(blocked)} nodes in the layout of one CPU, as {blocked[0].op_type} {blocked[0].name!r}",
            where=where,
            remedy="Name the file that this one was optimized from, or save it at the runtime's level 'extended'.",
        )


def left_float(model: onnx.ModelProto, *, where: object) -> dict[str, OptionValue]:
    """Return which weights of a quantized model are floats still, as a recipe keeps it, empty where none are.

    Errors
    ------
    ModelError
        if that is every weight.
    """
    reasons = {weight.name: _why_float(weight) for weight in float_weights(model)}
    every = weights(model)
    if every and len(reasons) == len(every):
        raise ModelError(
            "weights that can be quantized",
            f"none: {_listed([f'{name}, {why}' for name, why in reasons.items()])}",
            where=where,
            remedy="Export it again as plain ONNX: Conv, ConvTranspose, Gemm and MatMul in the main graph.",
        )
    return not_reached(every, reasons)


def _why_float(weight: Weight) -> str:
    if weight.place:
        return f"in {weight.place}"
    return f"of {', '.join(dict.fromkeys(weight.ops))}, which stays in floating point"


def not_reached(every: Sequence[Weight], reasons: Mapping[str, str]) -> dict[str, OptionValue]:
    """Return weights that were not reached, by name and with the reason, and their share of all.

    >>> not_reached([], {})
    {}
    """
    if not reasons:
        return {}
    missed = sum(weight.elements for weight in every if weight.name in reasons)
    listed = [f"{name}: {why}" for name, why in reasons.items()]
    return {NOT_REACHED: listed, SHARE: missed / max(1, sum(weight.elements for weight in every))}


def not_reached_warnings(recipe: Sequence[RecipeStep]) -> tuple[str, ...]:
    """Return a sentence for every step of a recipe that did not reach all weights."""
    return tuple(
        f"{step.name} did not reach {share:.1%} of the weights: {_listed(listed)}."
        for step in recipe
        if isinstance(listed := step.options.get(NOT_REACHED), list)
        and isinstance(share := step.options.get(SHARE), float)
    )


def uncounted_warnings(every: Sequence[Weight]) -> tuple[str, ...]:
    """Return a sentence where weights are not counted, since their values are not known here; else nothing."""
    names = [f"{weight.name}, of {weight.ops[0]}" for weight in every if weight.is_unknown]
    return (f"Weights not counted, since what makes them is not known here: {_listed(names)}.",) if names else ()


def _listed(parts: Sequence[object]) -> str:
    """Join a few parts, and count the others.

    >>> _listed("abcde")
    'a; b; c; and 2 more'
    """
    more = [f"and {len(parts) - _NAMED} more"] if len(parts) > _NAMED else []
    return "; ".join([*map(str, parts[:_NAMED]), *more])
