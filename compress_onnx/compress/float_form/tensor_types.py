"""Types of the tensors behind operators that ONNX does not know, asked of ONNX Runtime."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from compress_onnx.ort import compressing_session, tapped

_KNOWN = {"tensor(float)": TensorProto.FLOAT, "tensor(float16)": TensorProto.FLOAT16}


def typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with a type for every float tensor of the main graph; itself where ONNX's inference finds all.

    Without its type a tensor is neither calibrated nor quantized, and the layer that reads it fails.
    """
    missing = _untyped(model)
    if not missing:
        return model
    session = compressing_session(tapped(model, missing), where="types")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    found = ((output.name, _KNOWN.get(output.type)) for output in session.get_outputs())
    copy.graph.value_info.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in found if kind)
    return copy


def _untyped(model: onnx.ModelProto) -> list[str]:
    if all(node.domain in {"", "ai.onnx"} for node in model.graph.node):
        return []
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {value.name for value in (*graph.value_info, *graph.input, *graph.output)}
    return [name for node in graph.node for name in node.output if name and name not in known]
