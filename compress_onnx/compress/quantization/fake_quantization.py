"""Weights of chosen widths per layer: their scales and integers, chosen before ONNX Runtime stores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.layers import (
    Layout,
    layouts,
    least_error_scales,
    max_scales,
    plain_name,
    rounded,
    weight_values,
    with_weights,
)
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import Prepared
from compress_onnx.compress.quantization.rounding import compensated
from compress_onnx.registry import unknown

Scales = dict[str, NDArray[np.float32]]
Moments = Mapping[str, NDArray[np.floating]]


def approximated(
    prepared: Prepared, options: QuantizeOptions, *, where: object = ""
) -> tuple[onnx.ModelProto, dict[str, NDArray[np.float32]]]:
    """Return the folded float model with its weights rounded as the options say, and their scales (R,).

    Weights that ONNX Runtime shall scale itself, by their maximum at 8 bits, stay as they are and
    have no scales. Multiplying a row of a rounded weight and its scale by one factor keeps its
    integers; with the outcome go on to
    :func:`~compress_onnx.compress.quantization.integer_form.stored_form`.
    """
    names = layouts(prepared.model)
    wide = _named(options.keep_int8, names, where)
    bits = {name: 4 for name in names if options.weights != "int8" and name not in wide}
    if options.weights == "int8" and (options.chosen_scales, options.chosen_rounding) != ("max", "nearest"):
        bits = dict.fromkeys(names, options.wide_bits)
    if options.weights == "int8" and not bits:
        delicate = dict.fromkeys(prepared.form.delicate, options.wide_bits)
        return fake_quantized(prepared.model, delicate, "mse", rounding="gptq", moments=prepared.moments)
    return fake_quantized(
        prepared.model,
        bits,
        options.chosen_scales,
        rounding=options.chosen_rounding,
        moments=prepared.moments,
    )


def _named(wanted: Iterable[str], names: Iterable[str], where: object) -> frozenset[str]:
    """Return which weights are meant, by their names before or after folding."""
    known = {plain_name(name): name for name in names}
    for name in wanted:
        if plain_name(name) not in known:
            raise unknown("weight", name, known, where=str(where))
    return frozenset(known[plain_name(name)] for name in wanted)


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
    row_scales: Scales = {}
    for name in (name for name in known if name in bits):
        rows = known[name].rows(values[name])
        groups = _groups(rows, known[name], (moments or {}).get(name))
        parts = [_fitted(part, bits[name], seen, scales=scales, rounding=rounding) for part, seen in groups]
        row_scales[name] = np.concatenate([part_scales for _, part_scales in parts])
        changed[name] = known[name].tensor(np.concatenate([part for part, _ in parts]).astype(rows.dtype))
    return with_weights(model, changed), row_scales


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
