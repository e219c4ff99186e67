"""The ONNX graph: the only reader and writer of ``.onnx`` files, and what stands in them."""

from compress_onnx.graph.census import (
    Weight,
    is_quantized,
    out_of_reach,
    prunable_initializers,
    weight_numbers,
    weights,
)
from compress_onnx.graph.files import ModelFile, load_model, model_bytes, model_sha256, read_model, save_model
from compress_onnx.graph.identity import (
    WholeModel,
    expect_identity,
    expect_unchanged,
    is_one_file,
    model_identity,
    whole_model,
)
from compress_onnx.graph.kinds import WEIGHTED_OPS
from compress_onnx.graph.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.graph.normalize import normalized, with_plain_tensors
from compress_onnx.graph.precision import float_weights, precision
from compress_onnx.graph.regions import stored_tensors
from compress_onnx.graph.signature import Signature, default_opset, signature

__all__ = [
    "WEIGHTED_OPS",
    "Embedded",
    "ModelFile",
    "Signature",
    "Weight",
    "WholeModel",
    "default_opset",
    "expect_identity",
    "expect_unchanged",
    "float_weights",
    "is_one_file",
    "is_quantized",
    "load_model",
    "model_bytes",
    "model_identity",
    "model_sha256",
    "normalized",
    "out_of_reach",
    "precision",
    "prunable_initializers",
    "read_embedded",
    "read_model",
    "save_model",
    "signature",
    "stored_tensors",
    "weight_numbers",
    "weights",
    "whole_model",
    "with_plain_tensors",
    "write_embedded",
]
