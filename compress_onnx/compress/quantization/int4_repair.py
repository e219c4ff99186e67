"""4-bit weights with channel statistics repaired before the integers are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.layers import Layout, layouts, least_error_scales, weight_values, with_weights
from compress_onnx.compress.quantization.fake_quantization import approximated
from compress_onnx.compress.quantization.integer_form import stored_form
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import expect_faithful, prepare
from compress_onnx.compress.repair import RepairOutcome, repaired
from compress_onnx.model import descended, left_float
from compress_onnx.records import OptionValue

_BITS = 4


def repaired_int4(
    model: onnx.ModelProto,
    calibration: Callable[[], Iterable[NDArray[np.float32]]],
    options: QuantizeOptions,
    *,
    where: object = "",
) -> onnx.ModelProto:
    """Return a QDQ copy with 4-bit weights whose channels have the float model's statistics again; ``model`` stays.

    A channel's repair multiplies its scale and leaves its integers. ``calibration`` gives the same
    batches (B, C, H, W) float32 at every call; images that the repair does not measure judge it,
    and where it does not help it is left out (strength 0). The recipe says what it gained.

    Errors
    ------
    ModelError, DataError, OptionError
        as of :func:`~compress_onnx.compress.quantization.quantize.quantize_model` and
        :func:`~compress_onnx.compress.repair.repair.repaired`.
    """
    prepared = prepare(model, calibration(), options, where=where)
    rounded, scales = approximated(prepared, options, where=where)
    outcome = repaired(prepared.model, rounded, calibration)
    moved = _moved(outcome, scales)
    quantized = stored_form(outcome.model, prepared.ranges, options, scales=moved)
    expect_faithful(quantized, prepared, options, reference=_unrounded(outcome, prepared.model))
    gained: dict[str, OptionValue] = {
        "repair_strength": outcome.strength,
        "repair_kl_before": outcome.kl_before,
        "repair_kl_after": outcome.kl_after,
        "repair_flips_before": outcome.flips_before,
        "repair_flips_after": outcome.flips_after,
        "repair_n": outcome.n,
    }
    return descended(quantized, model, "quantize", options.recorded | gained | left_float(quantized, where=where))


def _moved(outcome: RepairOutcome, scales: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Return the scales with which the repaired weights have the integers that they had."""
    values, known = weight_values(outcome.model), layouts(outcome.model)
    return {
        # A grouped ConvTranspose has rows that go through all groups, whose factors differ: it is rounded anew.
        name: rows * outcome.ratios.get(name, np.float32(1))
        if _is_by_row(outcome, name, known[name])
        else least_error_scales(known[name].rows(values[name]), _BITS)
        for name, rows in scales.items()
    }


def _is_by_row(outcome: RepairOutcome, name: str, layout: Layout) -> bool:
    return name not in outcome.ratios or len(outcome.ratios[name]) == layout.shape[layout.axis]


def _unrounded(outcome: RepairOutcome, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the repaired model with the weights that the float ``model`` has, each row times its factor."""
    values, known = weight_values(model), layouts(model)
    factors = {name: outcome.ratios.get(name, np.ones(1, np.float32)) for name in known}
    scaled = {
        name: layout.tensor(layout.rows(values[name]) * factors[name][:, None])
        for name, layout in known.items()
        if _is_by_row(outcome, name, layout)
    }
    return with_weights(outcome.model, scaled)
