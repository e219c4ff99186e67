"""Fold what ONNX Runtime would fold at load, so that the quantiser sees the weights that will run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import onnxruntime as ort

from compress_onnx.compress.failures import runtime_failures
from compress_onnx.compress.sessions import quiet_options
from compress_onnx.graph import load_model, save_model


def folded(model: onnx.ModelProto, *, constants: bool = True) -> onnx.ModelProto:
    """Return the model after ONNX Runtime's basic, hardware-independent graph optimisations.

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
        save_model(model, source)
        _optimise(source, target, [] if constants else ["ConstantFolding"])
        return _with_used_domains(load_model(target))


def _optimise(source: Path, target: Path, left_out: Sequence[str]) -> None:
    options = quiet_options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    with runtime_failures("a model that ONNX Runtime loads", where="before folding"):
        # The fallback prints on stdout and retries the same provider.
        ort.InferenceSession(
            str(source),
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,
            disabled_optimizers=[*left_out],
        )


def _with_used_domains(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the imports that ONNX Runtime adds for every operator set it knows."""
    used = _domains(model.graph.node).union(*(_domains(function.node) for function in model.functions))
    kept = [entry for entry in model.opset_import if _domain(entry.domain) in used | {""}]
    slim = onnx.ModelProto()
    slim.CopyFrom(model)
    del slim.opset_import[:]
    slim.opset_import.extend(kept)
    return slim


def _domains(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    found = set()
    for node in nodes:
        found.add(_domain(node.domain))
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                found |= _domains(graph.node)
    return found


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name
