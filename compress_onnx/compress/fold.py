"""Fold what ONNX Runtime would fold at load, so that the quantiser sees the weights that will run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort

from compress_onnx.errors import ModelError
from compress_onnx.graph import load_model, save_model


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model after ONNX Runtime's basic, hardware-independent graph optimisations.

    BatchNorm is folded into the convolution before it, constants are folded, identities removed.
    The result is plain ONNX.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as name:
        source, target = Path(name) / "source.onnx", Path(name) / "folded.onnx"
        save_model(model, source)
        _optimise(source, target)
        return load_model(target)


def _optimise(source: Path, target: Path) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    try:
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            raise ModelError("a model that ONNX Runtime loads", str(error).splitlines()[0][:200]) from error
        raise
