"""Magnitude pruning of an ONNX model's initializers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.compress.checks import expect_only_zeros
from compress_onnx.compress.float_form import folded
from compress_onnx.compress.layers import plain_name
from compress_onnx.compress.pruning.magnitude import pruned_globally, pruned_layerwise
from compress_onnx.compress.pruning.prunable import excluded, expect_float
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.model import (
    copied,
    descended,
    expect_finite_weights,
    expect_in_reach,
    normalized,
    prunable_initializers,
)
from compress_onnx.options import BASIS, SCOPE, SPARSITY


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """Resolved options of ``prune``; see :mod:`compress_onnx.options` for bounds and reasons.

    ``exclude`` are patterns on the names of weights that stay as they are.
    """

    sparsity: float = SPARSITY.default
    scope: str = SCOPE.default
    basis: str = BASIS.default
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        SPARSITY.check(self.sparsity)
        SCOPE.check(self.scope)
        BASIS.check(self.basis)


def prune_model(model: onnx.ModelProto, options: PruneOptions, *, where: object = "") -> onnx.ModelProto:
    """Return a copy of the model with ⌊s·n⌋ of its prunable weights set to zero; ``model`` stays as it is.

    Prunable are the float weights of the census, wherever they lie; shared ones count once; biases
    are untouched. n counts what is not excluded. The result is in plain form (see
    :func:`~compress_onnx.model.forms.normalize.normalized`), folded on the basis ``folded``. Where up to 1 % of the
    weights cannot be reached the recipe names them.

    Errors
    ------
    ModelError
        if the model has no prunable weights, is quantized already, holds NaN or infinity, or more
        than 1 % of its weights are out of reach.
    OptionError
        if a pattern of ``exclude`` matches no weight, or all patterns together match every weight.
    """
    expect_float(model, where=where)
    ready = normalized(model)
    missed = expect_in_reach(ready, where=where)
    base = normalized(folded(ready, constants=False)) if options.basis == "folded" else ready
    copy = copied(base)
    targets = _included(_targets(copy, where), options.exclude)
    values = [np.asarray(numpy_helper.to_array(tensor)) for tensor in targets]
    thin = pruned_globally if options.scope == "global" else pruned_layerwise
    for tensor, pruned in zip(targets, thin(values, options.sparsity), strict=True):
        tensor.CopyFrom(numpy_helper.from_array(pruned, tensor.name))
    expect_only_zeros(base, copy)
    return descended(copy, model, "prune", _recorded(options) | missed)


def _recorded(options: PruneOptions) -> dict[str, Any]:
    return {
        "sparsity": options.sparsity,
        "scope": options.scope,
        "basis": options.basis,
        "exclude": list(options.exclude),
    }


def _included(targets: dict[str, onnx.TensorProto], patterns: tuple[str, ...]) -> list[onnx.TensorProto]:
    """Return the weights that no pattern excludes."""
    # Folding makes ConvBnFusion_W_conv.weight of conv.weight, beside it where another layer shares that; patterns
    # mean the file's own names.
    plain_names = {name: plain_name(name) for name in targets}
    left_out = excluded(dict.fromkeys(plain_names.values()), patterns)
    included = [targets[name] for name, plain in plain_names.items() if plain not in left_out]
    if not included:
        raise OptionError("at least one weight left to prune", "none", where="--exclude", remedy="Exclude fewer.")
    return included


def _targets(model: onnx.ModelProto, where: object) -> dict[str, onnx.TensorProto]:
    targets = prunable_initializers(model)
    if not targets:
        raise ModelError(
            "prunable weights (float constants of Conv, ConvTranspose, Gemm, MatMul and their like)",
            "none",
            where=where,
        )
    expect_finite_weights(targets, where=where)
    return targets


def compress(
    model: onnx.ModelProto, options: dict[str, Any], calibration: Callable[[], Iterable[NDArray[np.float32]]] | None
) -> onnx.ModelProto:
    """Prune as a compressor plug-in; ``calibration`` is not looked at."""
    del calibration
    return prune_model(model, PruneOptions(**options))
