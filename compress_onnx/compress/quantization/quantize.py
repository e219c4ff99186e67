"""Static post-training quantization with ONNX Runtime, in the types that fuse on the target CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.quantization.fake_quantization import approximated
from compress_onnx.compress.quantization.int4_repair import repaired_int4
from compress_onnx.compress.quantization.integer_form import stored_form
from compress_onnx.compress.quantization.mixed import mixed_model
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import expect_faithful, prepare
from compress_onnx.errors import OptionError
from compress_onnx.model import descended, left_float
from compress_onnx.options import MAX_DROP

# Options of the plug-in that are not those of every quantization: of mixed weights two, of int4 one.
_OF_SOME_WEIGHTS = frozenset({"labels", "max_drop", "repair"})


def quantize_model(
    model: onnx.ModelProto,
    batches: Iterable[NDArray[np.float32]],
    options: QuantizeOptions,
    *,
    where: object = "",
) -> onnx.ModelProto:
    """Return a QDQ copy of the model with 8-bit activations and per-channel symmetric weights; ``model`` stays.

    ``batches`` are calibration inputs (B, C, H, W) float32, gone through once. BatchNorm is folded
    first. Weights have 8 bits, or 4 on disk and 8 where they run (see
    :func:`~compress_onnx.compress.quantization.widen.widened`). Symmetric weights keep every zero of a pruned model
    zero.

    Errors
    ------
    ModelError
        if the model is quantized already, has no weights to quantize or NaN among them, is older
        than opset 13 (21 for 4-bit weights), or cannot be run on the calibration inputs.
    DataError
        if there are no calibration inputs, or one is not finite or of another shape than the model's.
    OptionError
        if ``weights`` is ``mixed``, which :func:`mixed_model` serves, or ``keep_int8`` names no weight.
    """
    if options.weights == "mixed":
        raise OptionError("weights int8 or int4", "mixed", where=where, remedy="Call mixed_model, which measures.")
    prepared = prepare(model, batches, options, where=where)
    rounded, scales = approximated(prepared, options, where=where)
    quantized = stored_form(rounded, prepared.ranges, options, scales=scales)
    expect_faithful(quantized, prepared, options)
    return descended(quantized, model, "quantize", options.recorded | left_float(quantized, where=where))


def compress(
    model: onnx.ModelProto, options: dict[str, Any], calibration: Callable[[], Iterable[NDArray[np.float32]]] | None
) -> onnx.ModelProto:
    """Quantize as a compressor plug-in; ``max_drop`` and ``labels`` are of mixed weights, ``repair`` of int4."""
    chosen = QuantizeOptions(**{name: value for name, value in options.items() if name not in _OF_SOME_WEIGHTS})
    batches = calibration or list
    if chosen.weights == "int4" and options.get("repair") == "auto":
        return repaired_int4(model, batches, chosen)
    if chosen.weights == "mixed":
        given = options.get("labels")
        labels = None if given is None else np.asarray(given, dtype=np.int64)
        drop = options.get("max_drop", MAX_DROP.default)
        return mixed_model(model, batches, chosen, labels=labels, max_drop=drop)
    return quantize_model(model, batches(), chosen)
