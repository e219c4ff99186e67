"""The ONNX graph: the only reader and writer of ``.onnx`` files, and what stands in them."""

from compress_onnx.graph.files import ModelFile, load_model, model_bytes, model_sha256, read_model, save_model
from compress_onnx.graph.identity import (
    WholeModel,
    expect_identity,
    expect_unchanged,
    is_one_file,
    model_identity,
    whole_model,
)
from compress_onnx.graph.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.graph.signature import Signature, default_opset, signature
from compress_onnx.graph.weights import Weight, is_quantised, precision, prunable_initializers, weights

__all__ = [
    "Embedded",
    "ModelFile",
    "Signature",
    "Weight",
    "WholeModel",
    "default_opset",
    "expect_identity",
    "expect_unchanged",
    "is_one_file",
    "is_quantised",
    "load_model",
    "model_bytes",
    "model_identity",
    "model_sha256",
    "precision",
    "prunable_initializers",
    "read_embedded",
    "read_model",
    "save_model",
    "signature",
    "weights",
    "whole_model",
    "write_embedded",
]
