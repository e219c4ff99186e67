"""Types of the tensors behind operators that ONNX does not know, asked of ONNX Runtime."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from compress_onnx.model import copied, save_model
from compress_onnx.ort import quiet_options, step_failures

_KNOWN = {"tensor(float)": TensorProto.FLOAT, "tensor(float16)": TensorProto.FLOAT16}


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
        with step_failures("a model that ONNX Runtime loads", where="types"):
            session = ort.InferenceSession(
                str(source), quiet_options(), providers=["CPUExecutionProvider"], enable_fallback=0
            )
    copy = copied(model)
    found = ((output.name, _KNOWN.get(output.type)) for output in session.get_outputs())
    copy.graph.value_info.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in found if kind)
    return copy


def _untyped(model: onnx.ModelProto) -> list[str]:
    if all(node.domain in {"", "ai.onnx"} for node in model.graph.node):
        return []
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {value.name for value in (*graph.value_info, *graph.input, *graph.output)}
    return [name for node in graph.node for name in node.output if name and name not in known]
