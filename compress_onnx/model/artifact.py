"""The record of a model file, and what it weighs: bytes on disk, zipped, by zstd, by type, and at best; weights and zeros."""

from __future__ import annotations

import math
import zlib
from collections import Counter

import numpy as np
import onnx
import pyarrow as pa
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.model.census import Weight, not_reached_warnings, uncounted_warnings, weight_numbers
from compress_onnx.model.constants import stored_tensors
from compress_onnx.model.model import Model, ModelSource
from compress_onnx.model.signature import default_opset
from compress_onnx.records import Artifact, Footprint, LayerWeights, RecipeStep

# Types that ONNX packs two or more to a byte.
_PACKED_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}
# zip's usual level: what a release archive or an over-the-air update would carry.
_ZIP_LEVEL = 6
# zstd's own default.
_ZSTD_LEVEL = 3


def zip_bytes(content: bytes) -> int:
    """Return the size of a file's content after deflate, the method of ``zip``, without archive headers."""
    return len(zlib.compress(content, _ZIP_LEVEL, -zlib.MAX_WBITS))


def zstd_bytes(content: bytes) -> int:
    """Return the size of a file's content after zstd, as one frame."""
    return len(pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(content, asbytes=True))


def describe(
    source: ModelSource, *, name: str, shown_path: str, recipe: tuple[RecipeStep, ...] | None = None
) -> Artifact:
    """Return the record of a model; its bytes are those of all its files.

    ``shown_path`` stands in the record; ``recipe`` replaces the steps in the model's metadata where
    the caller knows their seconds.

    Errors
    ------
    ModelError
        if it is not a valid ONNX model.
    """
    model = Model.of(source, name=name)
    graph, embedded, census = model.proto, model.embedded, model.weights
    elements = sum(weight.elements for weight in census)
    nonzero = sum(weight.nonzero for weight in census)
    files = model.contents()
    return Artifact(
        name=name,
        path=shown_path,
        sha256=model.sha256,
        precision=model.precision,
        sparsity=1 - nonzero / elements if elements else 0.0,
        opset=default_opset(graph),
        file_bytes=sum(map(len, files)),
        zip_bytes=sum(map(zip_bytes, files)),
        weights=elements,
        nonzero_weights=nonzero,
        layers=tuple(map(_layer, census)),
        parent_sha256=embedded.parent_sha256,
        recipe=embedded.recipe if recipe is None else recipe,
        zstd_bytes=sum(map(zstd_bytes, files)),
        warnings=(*uncounted_warnings(census), *not_reached_warnings(embedded.recipe)),
        initializer_bytes=initializer_bytes(graph),
        entropy_bytes=entropy_bytes(graph),
        files=len(files),
    )


def _layer(weight: Weight) -> LayerWeights:
    return LayerWeights(
        name=weight.name,
        ops=weight.ops,
        shape=weight.shape,
        bits=weight.bits,
        elements=weight.elements,
        nonzero=weight.nonzero,
    )


def footprint(artifact: Artifact) -> Footprint:
    """Return the artifact's footprint alone."""
    return Footprint(
        file_bytes=artifact.file_bytes,
        zip_bytes=artifact.zip_bytes,
        weights=artifact.weights,
        nonzero_weights=artifact.nonzero_weights,
        zstd_bytes=artifact.zstd_bytes,
        initializer_bytes=dict(artifact.initializer_bytes),
        entropy_bytes=artifact.entropy_bytes,
    )


def entropy_bits(values: NDArray[np.generic]) -> float:
    """Return the zero-order entropy of an array in bits: n times H of its own histogram.

    H = -sum p log2 p over the distinct stored values (Shannon 1948): what a perfect coder needs
    that knows the histogram and uses no order among the elements; the histogram itself is not
    counted, so that float values, nearly all different, stay far above it. Values are told apart by
    their bits, so 0.0 and -0.0 are two. An empty array needs 0.

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
    sizes: Counter[str] = Counter()
    for tensor in stored_tensors(model):
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
        sizes[name.lower()] += _stored_bytes(tensor, name)
    return dict(sizes.most_common())


def _stored_bytes(tensor: onnx.TensorProto, name: str) -> int:
    if name == "STRING":
        return sum(len(text) for text in tensor.string_data)
    elements = int(math.prod(tensor.dims))
    if name in _PACKED_BITS:
        return math.ceil(elements * _PACKED_BITS[name] / 8)
    return elements * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
