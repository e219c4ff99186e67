"""The float model that is quantized: folded, in plain operators of ONNX, in float32."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from compress_onnx.compress.float_form.fold import folded
from compress_onnx.compress.float_form.single_precision import single_precision
from compress_onnx.compress.layers import affine
from compress_onnx.errors import UnsupportedOperatorError
from compress_onnx.model import KNOWN_ACTIVATIONS, attribute, copied, save_model
from compress_onnx.ort import StepSession

# What is left of these in plain form has an activation that ONNX does not name so.
_FUSED = frozenset({"FusedConv", "FusedGemm"})
_KNOWN_TYPES = {"tensor(float)": TensorProto.FLOAT, "tensor(float16)": TensorProto.FLOAT16}


def plain_operators(model: onnx.ModelProto, *, where: object = "") -> onnx.ModelProto:
    """Return a model in plain form (:func:`~compress_onnx.model.forms.normalize.normalized`) in float32; it stays.

    Errors
    ------
    UnsupportedOperatorError
        if a layer is fused in a way that cannot be taken apart.
    """
    for node in model.graph.node:
        if node.domain == "com.microsoft" and node.op_type in _FUSED:
            raise UnsupportedOperatorError(
                f"a fused activation among {', '.join(KNOWN_ACTIVATIONS)}",
                f"{attribute(node, 'activation', b'').decode() or 'none'!r} in node {node.name or node.output[0]!r}",
                where=where,
                remedy="Give the file as it was before ONNX Runtime optimized it.",
            )
    return single_precision(model)


def float_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of :func:`plain_operators` folded, its layers affine and its tensors typed; it stays as it is.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model.
    """
    return typed(affine(folded(model)))


def typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with a type for every float tensor of the main graph; itself where ONNX's inference finds all.

    Without its type a tensor is neither calibrated nor quantized, and the layer that reads it fails.
    """
    missing = _untyped(model)
    if not missing:
        return model
    probe = copied(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in missing)
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as folder:
        source = Path(folder) / "probe.onnx"
        save_model(probe, source)
        types = StepSession(source, expected="a model that ONNX Runtime loads", where="types").output_types
    copy = copied(model)
    known = {name: _KNOWN_TYPES[kind] for name, kind in types.items() if kind in _KNOWN_TYPES}
    copy.graph.value_info.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in known.items())
    return copy


def _untyped(model: onnx.ModelProto) -> list[str]:
    if all(node.domain in {"", "ai.onnx"} for node in model.graph.node):
        return []
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {value.name for value in (*graph.value_info, *graph.input, *graph.output)}
    return [name for node in graph.node for name in node.output if name and name not in known]
