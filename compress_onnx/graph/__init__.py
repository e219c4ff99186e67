"""The ONNX graph: the only reader and writer of ``.onnx`` files, and what stands in them."""

from compress_onnx.graph.files import load_model, model_bytes, model_sha256, save_model
from compress_onnx.graph.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.graph.signature import Signature, default_opset, signature
from compress_onnx.graph.weights import WEIGHTED_OPS, Weight, is_quantised, precision, prunable_initializers, weights

__all__ = [
    "WEIGHTED_OPS",
    "Embedded",
    "Signature",
    "Weight",
    "default_opset",
    "is_quantised",
    "load_model",
    "model_bytes",
    "model_sha256",
    "precision",
    "prunable_initializers",
    "read_embedded",
    "save_model",
    "signature",
    "weights",
    "write_embedded",
]
