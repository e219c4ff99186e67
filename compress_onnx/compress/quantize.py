"""Static post-training quantisation with ONNX Runtime, in the types that fuse on the target CPU."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer
from onnxruntime.quantization.registry import QDQRegistry

from compress_onnx import config
from compress_onnx.compress.calibrate import fitting, ranges
from compress_onnx.compress.fold import folded
from compress_onnx.compress.lineage import descended
from compress_onnx.compress.soundness import expect_finite_weights
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.graph import default_opset, is_quantised, prunable_initializers, save_model, signature

# DequantizeLinear has had an axis, and so per-channel scales, since opset 13.
_LEAST_OPSET = 13


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """Resolved options of ``quantize``.

    ``cpu`` is a target, never ``auto``; ``calibration`` is the hash of the manifest that names the
    calibration images, kept in the model's recipe.
    """

    cpu: str
    weights: str = config.WEIGHTS.default
    method: str = config.METHOD.default
    calibration: str | None = None

    def __post_init__(self) -> None:
        config.WEIGHTS.check(self.weights)
        config.METHOD.check(self.method)
        config.CPU.check(self.cpu)
        if self.cpu == "auto":
            raise OptionError(
                "a CPU to quantise for", "auto", remedy="Name one, or let the command line ask the probe."
            )

    @property
    def activation_type(self) -> QuantType:
        """U8 on x86-64, whose integer kernels want it; S8 on ARM, which prefers symmetric types."""
        return QuantType.QInt8 if self.cpu == "aarch64" else QuantType.QUInt8

    @property
    def reduce_range(self) -> bool:
        """Seven-bit weights where U8S8 products saturate int16: x86-64 without VNNI."""
        return self.cpu == "x86-64-avx2"


def quantize_model(
    model: onnx.ModelProto,
    batches: Iterable[NDArray[np.float32]],
    options: QuantizeOptions,
    *,
    where: object = "",
) -> onnx.ModelProto:
    """Return a QDQ copy of the model with 8-bit activations and per-channel symmetric 8-bit weights.

    ``batches`` are calibration inputs (B, C, H, W) float32. BatchNorm is folded first. Symmetric
    weights keep every zero of a pruned model zero.

    Errors
    ------
    ModelError
        if the model is quantised already, has no weights to quantise or NaN among them, is older
        than opset 13, or cannot be run on the calibration inputs.
    DataError
        if there are no calibration inputs, or one is not finite or of another shape than the model's.
    """
    _check(model, where)
    expected = signature(model, where=where)
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as name:
        scratch = Path(name)
        source = scratch / "folded.onnx"
        save_model(folded(model), source)
        inputs = fitting(batches, expected, where=where)
        found = ranges(source, expected.input_name, inputs, method=options.method, scratch=scratch)
        quantised = _quantised(source, found, options)
    return descended(quantised, model, "quantize", _recorded(options))


def _recorded(options: QuantizeOptions) -> dict[str, Any]:
    return {
        "weights": options.weights,
        "activations": "int8" if options.activation_type == QuantType.QInt8 else "uint8",
        "method": options.method,
        "cpu": options.cpu,
        "reduce_range": options.reduce_range,
        "per_channel": True,
        "calibration": options.calibration,
    }


def _check(model: onnx.ModelProto, where: object) -> None:
    if is_quantised(model):
        raise ModelError("a float model to quantise", "a quantised one", where=where, remedy="Name its FP32 parent.")
    if not prunable_initializers(model):
        raise ModelError("weights to quantise (Conv, ConvTranspose, Gemm, MatMul)", "none", where=where)
    if default_opset(model) < _LEAST_OPSET:
        raise ModelError(
            f"opset {_LEAST_OPSET} or newer",
            f"opset {default_opset(model)}",
            where=where,
            remedy="Convert it with onnx.version_converter or export it again.",
        )
    expect_finite_weights(prunable_initializers(model), where=where)


def _quantised(source: Path, found: TensorsData, options: QuantizeOptions) -> onnx.ModelProto:
    with _quiet():
        quantizer = QDQQuantizer(
            load_model_with_shape_infer(source),
            per_channel=True,
            reduce_range=options.reduce_range,
            weight_qType=QuantType.QInt8,
            activation_qType=options.activation_type,
            tensors_range=found,
            nodes_to_quantize=[],
            nodes_to_exclude=[],
            op_types_to_quantize=sorted(QDQRegistry),
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": options.cpu == "aarch64"},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    quantised: onnx.ModelProto = quantizer.model.model
    return quantised


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the quantiser's advice on the root logger; what matters is in the fusion receipt."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def compress(
    model: onnx.ModelProto, options: dict[str, Any], calibration: Callable[[], Iterable[NDArray[np.float32]]] | None
) -> onnx.ModelProto:
    """Quantise as a compressor plug-in."""
    return quantize_model(model, calibration() if calibration else [], QuantizeOptions(**options))
