"""The referee for compressed image classifiers.

The public API is loaded on first use: importing this package imports neither torch nor
onnxruntime.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("compress-onnx")

_HOME = {
    "CompressOnnxError": "compress_onnx.errors",
    "RunRecord": "compress_onnx.records",
    "build_twin": "compress_onnx.saliency.twin",
    "compare_models": "compress_onnx.compare.comparison",
    "decide": "compress_onnx.gate.verdict",
    "export_module": "compress_onnx.export.exporter",
    "load_data": "compress_onnx.data.sources",
    "load_model": "compress_onnx.model.files",
    "load_policy": "compress_onnx.gate.policy",
    "load_run": "compress_onnx.store",
    "prune_model": "compress_onnx.compress.pruning.prune",
    "quantize_model": "compress_onnx.compress.quantization.quantize",
    "render_report": "compress_onnx.report:render",
}

__all__ = [  # noqa: PLE0604  # every name is resolved by __getattr__ below
    "__version__",
    *_HOME,
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module, _, attribute = _HOME[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
