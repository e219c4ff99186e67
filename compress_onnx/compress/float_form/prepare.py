"""The float model that is quantized: folded, in plain operators of ONNX, in float32."""

from __future__ import annotations

import onnx

from compress_onnx.compress.float_form.fold import folded, without_listed_constants
from compress_onnx.compress.float_form.single_precision import single_precision
from compress_onnx.compress.float_form.tensor_types import typed
from compress_onnx.compress.float_form.unfused import unfused
from compress_onnx.compress.layers import affine


def plain_operators(model: onnx.ModelProto, *, where: object = "") -> onnx.ModelProto:
    """Return the model in float32, with its constants as initializers alone and fused operators taken apart.

    Errors
    ------
    UnsupportedOperatorError
        if a layer is fused in a way that cannot be taken apart.
    """
    return single_precision(unfused(without_listed_constants(model), where=where))


def float_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of :func:`plain_operators` folded, its layers affine and its tensors typed.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model.
    """
    return typed(affine(folded(model)))
