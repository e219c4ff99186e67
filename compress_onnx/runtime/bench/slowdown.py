"""Why a file is not faster, in plain words."""

from __future__ import annotations

import collections

import onnx

from compress_onnx.model import Weight, is_quantized, weights
from compress_onnx.records import FusionReceipt

# Fewer zeros than this are what training leaves, not pruning.
_PRUNED = 0.05


def slowdown_reasons(model: onnx.ModelProto, receipt: FusionReceipt) -> tuple[str, ...]:
    """Return what keeps the file from running faster on this CPU, one sentence each; empty if nothing does.

    ``receipt`` is that of the same file.
    """
    census = weights(model)
    sentences = [_on_zeros(census), _on_float(model, receipt), _on_width(model), _on_leftovers(receipt)]
    return tuple(sentence for sentence in sentences if sentence)


def batch_norms(model: onnx.ModelProto) -> int:
    """Return the number of BatchNorm nodes in the file; the runtime folds those behind a convolution at load."""
    return sum(node.op_type == "BatchNormalization" for node in model.graph.node)


def _on_zeros(census: tuple[Weight, ...]) -> str:
    elements = sum(weight.elements for weight in census)
    zeros = elements - sum(weight.nonzero for weight in census)
    if not elements or zeros < _PRUNED * elements:
        return ""
    return (
        f"{zeros / elements:.0%} of the weights are zero, which buys no speed: the kernels are dense and multiply zeros "
        "too. Structured pruning removes whole channels."
    )


def _on_float(model: onnx.ModelProto, receipt: FusionReceipt) -> str:
    if not is_quantized(model):
        return "Weights and activations are floating point: quantizing may help networks with large layers."
    reasons = collections.Counter(node.reason for node in receipt.float_nodes)
    if not reasons:
        return ""
    most, count = reasons.most_common(1)[0]
    return f"{len(receipt.float_nodes)} nodes run in floating point, {count} of them because: {most}."


def _on_width(model: onnx.ModelProto) -> str:
    narrow = {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT4}
    direct = [node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in narrow]
    if not direct:
        return ""
    return (
        f"{len(direct)} weights of 4 bits are dequantized at every call: compress-onnx quantize --widen stores 4 bits "
        "and runs 8."
    )


def _on_leftovers(receipt: FusionReceipt) -> str:
    if not receipt.stray_qdq:
        return ""
    return f"{receipt.stray_qdq} QuantizeLinear and DequantizeLinear nodes were left over, each a pass over its tensor."
