"""Fold what ONNX Runtime would fold at load, so that the quantizer sees the weights that will run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from compress_onnx.model import copied, nested, save_model
from compress_onnx.ort import save_basic_form

# Since IR 4 an initializer need not be an input as well, and one that is none can be folded.
_LEAST_IR = 4


def folded(model: onnx.ModelProto, *, constants: bool = True) -> onnx.ModelProto:
    """Return the model after ONNX Runtime's basic, hardware-independent graph optimizations.

    BatchNorm is folded into the convolution before it, constants are folded, identities removed.
    Without ``constants`` what combines them stays: a tensor that is used as it is and transposed too is one still.
    The result is plain ONNX and imports only the operator sets it uses.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as name:
        source, target = Path(name) / "source.onnx", Path(name) / "folded.onnx"
        save_model(without_listed_constants(model), source)
        save_basic_form(source, target, without=() if constants else ["ConstantFolding"])
        # What the runtime wrote is no file of the user's: it is checked where it is handed over.
        return _with_used_domains(onnx.load(target, format="protobuf"))


def without_listed_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with no initializer among its inputs and none stored sparsely; itself if there are none."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    if not graph.sparse_initializer and not any(value.name in constants for value in graph.input):
        return model
    copy = copied(model)
    copy.ir_version = max(copy.ir_version, _LEAST_IR)
    fed = [value for value in graph.input if value.name not in constants]
    del copy.graph.input[:], copy.graph.sparse_initializer[:]
    copy.graph.input.extend(fed)
    copy.graph.initializer.extend(_dense(tensor) for tensor in graph.sparse_initializer)
    return copy


def _dense(tensor: onnx.SparseTensorProto) -> onnx.TensorProto:
    """Return a sparse tensor in full; its indices count elements (N,) or give coordinates (N, rank)."""
    values, places = numpy_helper.to_array(tensor.values), numpy_helper.to_array(tensor.indices)
    full = np.zeros(tuple(tensor.dims), dtype=values.dtype)
    if places.ndim == 1:
        full.reshape(-1)[places] = values
    else:
        full[tuple(places.T)] = values
    return numpy_helper.from_array(full, tensor.values.name)


def _with_used_domains(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the imports that ONNX Runtime adds for every operator set it knows."""
    used = _domains(model.graph.node).union(*(_domains(function.node) for function in model.functions))
    imports = [entry for entry in model.opset_import if _domain(entry.domain) in used | {""}]
    slim = copied(model)
    del slim.opset_import[:]
    slim.opset_import.extend(imports)
    return slim


def _domains(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    domains = set()
    for node in nodes:
        domains.add(_domain(node.domain))
        for _, graph in nested(node):
            domains |= _domains(graph.node)
    return domains


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name
