"""Which weights pruning and quantization reach: stored floats whose zeros are zeros where they are multiplied."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from compress_onnx.model.census.census import names_of
from compress_onnx.model.census.uses import Use, kind_of, uses
from compress_onnx.model.constants import BLOCKED_LAYOUT, FLOATS, Constant, foreign_kind, keeps_zeros, regions, roots


def prunable_initializers(model: onnx.ModelProto) -> dict[str, TensorProto]:
    """Return the stored float tensors of the census by name, in graph order of first use, shared ones once.

    The tensors are those of the model, not copies: zeros written there are zeros where they are
    multiplied. What else the census counts is :func:`out_of_reach`, and most of that is in reach of
    the model that :func:`~compress_onnx.model.forms.normalize.normalized` returns.
    """
    return {name: tensor for name, tensor in _tensors_or_reasons(model).items() if not isinstance(tensor, str)}


def out_of_reach(model: onnx.ModelProto) -> dict[str, str]:
    """Return by name why a weight of the census is not among the prunable initializers."""
    return {name: reason for name, reason in _tensors_or_reasons(model).items() if isinstance(reason, str)}


def _tensors_or_reasons(model: onnx.ModelProto) -> dict[str, TensorProto | str]:
    """Return each weight's stored tensor, or why it is out of reach: one use that is out of reach is enough."""
    weights: dict[Constant, TensorProto | str] = {}
    for use in uses(regions(model)):
        made_of = roots(use.constant)
        for tensor in made_of.tensors:
            why = _why_not(use, tensor, in_part=made_of.is_part)
            if why or tensor not in weights:
                weights[tensor] = why or _proto(tensor)
    return dict(zip(names_of([*weights]), weights.values(), strict=True))


def _proto(tensor: Constant) -> TensorProto:
    if not isinstance(tensor.stored, TensorProto):
        raise TypeError(tensor.name)
    return tensor.stored


def _why_not(use: Use, tensor: Constant, *, in_part: bool) -> str:
    """Return why zeros cannot be written into a tensor for an operator, empty where they can."""
    if kind_of(tensor) not in FLOATS:
        return "stored as integers"
    if isinstance(tensor.region.graph, onnx.FunctionProto):
        return f"in {tensor.region.place}, which cannot be inlined"
    if tensor.stored is None:
        return f"made by {tensor.kind or 'a loop'} when the model is loaded"
    if not isinstance(tensor.stored, TensorProto):
        return "stored sparsely"
    return _why_not_there(use) or ("used in part" if in_part else "")


def _why_not_there(use: Use) -> str:
    """Return what an operator does to a tensor so that zeros in it are none, empty where they are."""
    if use.slot.weight is None:
        return f"an attribute of {use.node.op_type}"
    if use.node.domain == BLOCKED_LAYOUT:
        return "in the order of one CPU's kernels"
    if foreign := foreign_kind(use.constant):
        return f"behind {foreign}, which is not known here"
    return "" if keeps_zeros(use.constant) else "changed by other constants"
