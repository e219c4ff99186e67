"""What the weights' values cannot be coded below: entropy per tensor, and stored bytes by type."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.graph import stored_tensors, weight_numbers

# Types that ONNX packs two or more to a byte.
_PACKED_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}


def entropy_bits(values: NDArray[np.generic]) -> float:
    """Return the zero-order entropy of an array in bits: n times H of its own histogram.

    H = -sum p log2 p over the distinct stored values (Shannon 1948): what a perfect coder needs
    that knows the histogram and uses no order among the elements; the histogram itself is not
    counted, so that float values, nearly all different, stay far above it. Values are told apart by their bits, so 0.0 and -0.0 are two. An empty array needs 0.

    >>> entropy_bits(np.array([0, 0, 1, 1], np.int8))
    4.0
    >>> entropy_bits(np.zeros(100, np.float32))
    0.0
    """
    if not values.size:
        return 0.0
    if values.dtype.hasobject:
        # Numbers written as text.
        counts = np.unique(values.astype(str), return_counts=True)[1]
    else:
        bits = np.ascontiguousarray(values).reshape(-1).view(f"u{values.dtype.itemsize}")
        counts = np.bincount(bits) if bits.itemsize == 1 else np.unique(bits, return_counts=True)[1]
    share = counts[counts > 0] / values.size
    return float(-values.size * (share * np.log2(share)).sum()) + 0.0


def entropy_bytes(model: onnx.ModelProto) -> int:
    """Return the entropy of all weight tensors together, each by its own histogram, in whole bytes."""
    return math.ceil(sum(map(entropy_bits, weight_numbers(model))) / 8)


def initializer_bytes(model: onnx.ModelProto) -> dict[str, int]:
    """Return the bytes that stored tensors' values take in the file, wherever they lie, by ONNX type, largest first."""
    found: Counter[str] = Counter()
    for tensor in stored_tensors(model):
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
        found[name.lower()] += _stored_bytes(tensor, name)
    return dict(found.most_common())


def _stored_bytes(tensor: onnx.TensorProto, name: str) -> int:
    if name == "STRING":
        return sum(len(text) for text in tensor.string_data)
    elements = int(math.prod(tensor.dims))
    if name in _PACKED_BITS:
        return math.ceil(elements * _PACKED_BITS[name] / 8)
    return elements * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
