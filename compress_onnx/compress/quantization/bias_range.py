"""Scales at which biases are 32-bit integers: a channel with hardly any weights needs a larger one.

A bias has the scale of the input times that of the channel's weights. With weights at 1e-7 of
others and a bias kept, it would be an integer beyond 32 bits, and be clipped to another bias. A larger
scale rounds such weights coarsely or to zero, where they are far below what 8 bits of output show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization.quant_utils import TENSOR_NAME_QUANT_SUFFIX

from compress_onnx.model import WEIGHTED_OPS

# Half of what 32 bits hold: products are added to the bias, and 32,000 of the largest fill the other half.
LARGEST_BIAS = 2**30
# Products of scales below are no longer normal float32 numbers once they are divided by an output's scale.
_LEAST_PRODUCT = 1e-32
_BIAS = 2

Tensors = Mapping[str, onnx.TensorProto]
Makers = Mapping[str, onnx.NodeProto]


def fitting_scales(model: onnx.ModelProto, quantized: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """Return the scales (R,) of the weights of which some must be larger, by the float model's names.

    ``quantized`` is the QDQ form of ``model`` as ONNX Runtime stores it; weights whose biases are
    integers up to :data:`LARGEST_BIAS` are absent.
    """
    floats = {tensor.name: tensor for tensor in model.graph.initializer}
    larger: dict[str, NDArray[np.float32]] = {}
    for name, scales, needed in _layers(floats, quantized):
        wanted = np.maximum(larger.get(name, scales), needed.astype(np.float32))
        if (wanted > scales).any() or name in larger:
            larger[name] = wanted
    return larger


def needed_scales(bias: NDArray[np.floating], input_scale: float) -> NDArray[np.float64]:
    """Return the least scale (R,) of weights at which each bias (R,) is at most :data:`LARGEST_BIAS`.

    >>> float(needed_scales(np.array([2.0**30]), 0.5)[0])
    2.0
    """
    product = np.maximum(np.abs(bias.astype(np.float64)) / LARGEST_BIAS, _LEAST_PRODUCT)
    return np.where(bias == 0, 0.0, product / input_scale)


def _layers(
    floats: Tensors, quantized: onnx.ModelProto
) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float64]]]:
    """Yield the weight, its scales and those that its bias needs, of every layer with an integer bias."""
    tensors = {tensor.name: tensor for tensor in quantized.graph.initializer}
    makers = {output: node for node in quantized.graph.node for output in node.output}
    for node in quantized.graph.node:
        if node.op_type not in WEIGHTED_OPS or len(node.input) <= _BIAS:
            continue
        made = [makers.get(name) for name in node.input]
        if any(maker is None or maker.op_type != "DequantizeLinear" for maker in made):
            continue
        activation, weight, bias = (maker for maker in made if maker is not None)
        name = weight.input[0].removesuffix(TENSOR_NAME_QUANT_SUFFIX)
        original = floats.get(bias.input[0].removesuffix(TENSOR_NAME_QUANT_SUFFIX))
        if name not in floats or original is None or weight.input[1] not in tensors:
            continue
        scales = numpy_helper.to_array(tensors[weight.input[1]])
        needed = needed_scales(numpy_helper.to_array(original), _scalar(tensors[activation.input[1]]))
        if scales.ndim == 1 and len(needed) == len(scales):
            yield name, scales, needed


def _scalar(tensor: onnx.TensorProto) -> float:
    return float(numpy_helper.to_array(tensor).reshape(-1)[0])
