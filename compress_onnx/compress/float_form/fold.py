"""Fold what ONNX Runtime would fold at load, so that the quantizer sees the weights that will run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import onnx

from compress_onnx.model import copied, nested, save_model
from compress_onnx.ort import save_basic_form


def folded(model: onnx.ModelProto, *, constants: bool = True) -> onnx.ModelProto:
    """Return a model in plain form after ONNX Runtime's basic, hardware-independent graph optimizations; it stays.

    An initializer that is listed among the inputs cannot be folded: see
    :func:`~compress_onnx.model.forms.normalize.normalized`. BatchNorm is folded into the convolution before it, constants are folded, identities removed.
    Without ``constants`` what combines them stays: a tensor that is used as it is and transposed too is one still.
    The result is plain ONNX and imports only the operator sets it uses.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as name:
        source, target = Path(name) / "source.onnx", Path(name) / "folded.onnx"
        save_model(model, source)
        save_basic_form(source, target, without=() if constants else ["ConstantFolding"])
        # What the runtime wrote is no file of the user's: it is checked where it is handed over.
        return _with_used_domains(onnx.load(target, format="protobuf"))


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
