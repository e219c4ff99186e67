"""ONNX operators as PyTorch modules: one table, operator name to converter.

An operator is added in one place: write its converter in the module of its family and enter it in
that module's ``CONVERTERS``. Operators of another domain than ONNX's own stand under
``domain::name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from compress_onnx.saliency.operators import (
    activation,
    arithmetic,
    indexing,
    linear,
    normalization,
    pooling,
    quantization,
    resampling,
    shape,
)
from compress_onnx.saliency.operators.node import Converter

_FAMILIES = (
    activation,
    arithmetic,
    indexing,
    linear,
    normalization,
    pooling,
    quantization,
    resampling,
    shape,
)

CONVERTERS: Mapping[str, Converter] = MappingProxyType(
    {name: converter for family in _FAMILIES for name, converter in family.CONVERTERS.items()}
)
