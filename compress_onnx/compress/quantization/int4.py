"""Weights of chosen widths per layer: their scales and integers, chosen before ONNX Runtime stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType

from compress_onnx.compress.layers import (
    Layout,
    layouts,
    least_error_scales,
    max_scales,
    rounded,
    weight_values,
    with_weights,
)
from compress_onnx.compress.quantization.rounding import compensated

Scales = dict[str, NDArray[np.float32]]
Moments = Mapping[str, NDArray[np.floating]]


def fake_quantized(
    model: onnx.ModelProto,
    bits: Mapping[str, int],
    scales: str,
    *,
    rounding: str = "nearest",
    moments: Moments | None = None,
) -> tuple[onnx.ModelProto, Scales]:
    """Return a copy whose named weights are multiples of per-channel scales, and those scales (R,) float32.

    ``bits`` is the width by weight name; names of tensors without channels of their own (see
    :func:`layouts`) are left out. ``scales`` is ``max``, ``mse`` or ``output``, ``rounding``
    ``nearest`` or ``gptq``; ``output`` and ``gptq`` need the layer's ``moments`` (groups, D, D) of
    :class:`InputMoments`: where a layer has none it gets ``mse`` and ``nearest``. The values stay
    float, so any change of a row by a factor is a change of its scale by that factor.
    """
    values, known = weight_values(model), layouts(model)
    changed: dict[str, NDArray[np.floating]] = {}
    found: Scales = {}
    for name in (name for name in known if name in bits):
        rows = known[name].rows(values[name])
        groups = _groups(rows, known[name], (moments or {}).get(name))
        parts = [_fitted(part, bits[name], seen, scales=scales, rounding=rounding) for part, seen in groups]
        found[name] = np.concatenate([part_scales for _, part_scales in parts])
        changed[name] = known[name].tensor(np.concatenate([part for part, _ in parts]).astype(rows.dtype))
    return with_weights(model, changed), found


_Part = tuple[NDArray[np.floating], NDArray[np.floating] | None]


def _groups(rows: NDArray[np.floating], layout: Layout, moments: NDArray[np.floating] | None) -> list[_Part]:
    """Return the rows that share their inputs, with the inputs' moments."""
    if moments is None:
        return [(rows, None)]
    return list(zip(np.split(rows, layout.groups), moments, strict=True))


def _fitted(
    rows: NDArray[np.floating], bits: int, moments: NDArray[np.floating] | None, *, scales: str, rounding: str
) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
    if scales == "max":
        chosen = max_scales(rows, bits)
    else:
        chosen = least_error_scales(rows, bits, moments if scales == "output" else None)
    if rounding == "gptq" and moments is not None:
        return compensated(rows, chosen, moments, bits), chosen
    return rounded(rows, chosen, bits), chosen


def overrides(
    model: onnx.ModelProto, bits: Mapping[str, int], scales: Mapping[str, NDArray[np.floating]]
) -> dict[str, list[dict[str, Any]]]:
    """Return ONNX Runtime's ``TensorQuantOverrides``: these scales, zero point 0, INT4 up to 4 bits, else INT8.

    Given here and not written afterwards, the scales are also those of the int32 biases, which the
    fused kernels take to be input scale times weight scale.
    """
    known = layouts(model)
    return {
        name: [
            {
                "quant_type": QuantType.QInt4 if bits[name] <= 4 else QuantType.QInt8,
                "axis": known[name].axis,
                "scale": np.float32(scale),
                "zero_point": 0,
            }
            for scale in rows
        ]
        for name, rows in scales.items()
    }
