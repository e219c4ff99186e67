"""The QDQ form of a folded float model: the one place where ONNX Runtime's quantizer is called."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer
from onnxruntime.quantization.registry import QDQRegistry

from compress_onnx.compress.layers import dead_rows, layouts, weight_values
from compress_onnx.compress.quantization.bias_range import fitting_scales
from compress_onnx.compress.quantization.held_apart import captures_apart, with_biases, without_group_biases
from compress_onnx.compress.quantization.options import IntegerTypes, QuantizeOptions
from compress_onnx.compress.quantization.widen import widened
from compress_onnx.model import save_model
from compress_onnx.ort import quantizer_failures

Scales = Mapping[str, NDArray[np.floating]]


def stored_form(
    model: onnx.ModelProto,
    ranges: TensorsData,
    options: QuantizeOptions,
    *,
    scales: Mapping[str, NDArray[np.floating]],
) -> onnx.ModelProto:
    """Return the QDQ form of a folded float model, with the given scales (R,) of its weights.

    ``scales`` are by weight name; a weight without gets 8 bits and ONNX Runtime's scales. Weights
    of a 4-bit model that are named have 4 bits, widened.
    """
    bits = dict.fromkeys(scales, 8 if options.weights == "int8" else 4)
    return widened(integer_form(model, ranges, options.integer_types, scales=scales, bits=bits))


def integer_form(
    model: onnx.ModelProto, ranges: TensorsData, types: IntegerTypes, *, scales: Scales, bits: Mapping[str, int]
) -> onnx.ModelProto:
    """Return the QDQ form of a folded float model with the given scales (R,) and widths of its weights.

    A weight without gets 8 bits and ONNX Runtime's scales, by its channels' maximum; channels of
    zeros the mean scale of the others. Where a bias is no int32 at its channel's scale, the scale is
    raised until it is (see :mod:`compress_onnx.compress.quantization.bias_range`).

    Errors
    ------
    ModelError
        if ONNX Runtime's quantizer does not understand the graph: the node is named.
    """
    bare, held = without_group_biases(captures_apart(model))
    given = {**_scales_beside_dead(bare, types, scales), **scales}
    quantized = _called(bare, ranges, types, _overrides(bare, _widths(given, bits), given))
    raised = fitting_scales(bare, quantized)
    if raised:
        given |= raised
        quantized = _called(bare, ranges, types, _overrides(bare, _widths(given, bits), given))
    return with_biases(quantized, held)


def _widths(names: Scales, bits: Mapping[str, int]) -> dict[str, int]:
    return {name: bits.get(name, 8) for name in names}


def _scales_beside_dead(model: onnx.ModelProto, types: IntegerTypes, scales: Scales) -> dict[str, NDArray[np.float32]]:
    """Return scales of weights with channels of zeros, to which ONNX Runtime would give 1, and so to their bias."""
    values = weight_values(model)
    rows = {name: layout.rows(values[name]) for name, layout in layouts(model).items() if name not in scales}
    return {
        name: filled for name, values in rows.items() if (filled := dead_rows(values, types.largest_weight)) is not None
    }


def _overrides(
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


def _called(
    model: onnx.ModelProto, ranges: TensorsData, types: IntegerTypes, chosen: dict[str, list[dict[str, Any]]]
) -> onnx.ModelProto:
    with _quiet(), tempfile.TemporaryDirectory(prefix="compress-onnx-") as name:
        source = Path(name) / "folded.onnx"
        save_model(model, source)
        with quantizer_failures():
            quantizer = QDQQuantizer(
                load_model_with_shape_infer(source),
                per_channel=True,
                reduce_range=types.reduce_range,
                weight_qType=QuantType.QInt8,
                activation_qType=types.activation,
                tensors_range=ranges,
                nodes_to_quantize=[],
                nodes_to_exclude=[],
                op_types_to_quantize=sorted(QDQRegistry),
                extra_options={
                    "WeightSymmetric": True,
                    "ActivationSymmetric": types.symmetric,
                    "TensorQuantOverrides": chosen,
                },
            )
            quantizer.quantize_model()
            quantizer.model.topological_sort()
    made: onnx.ModelProto = quantizer.model.model
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the quantizer's advice on the root logger; what matters is in the fusion receipt."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
