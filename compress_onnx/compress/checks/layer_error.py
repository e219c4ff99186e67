"""How far each layer of a quantized model is from the float one, fed the float model's own inputs.

Every layer is looked at alone, so that no error adds up, beside what its widths explain: rounding
that is even over a step, of inputs to 8 bits of the calibrated range and of weights to the width that
is stored, each channel by its maximum. A weight's error of variance s²/12 meets the inputs' energy, an
input's the weights' (Widrow and Kollár 2008, chapter 5).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.checks.layer_pairs import Floats, LayerPair, computed_inputs, layer_pairs, run, side_by_side
from compress_onnx.compress.layers import Layout, layouts, max_scales, weight_values
from compress_onnx.model import WEIGHTED_OPS, copied, signature_of

Ranges = Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerError:
    """A layer's error: mean squares by output channel (C,), ``measured`` and ``explained``, and those of its input.

    ``step`` is that of 8 bits over the layer's outputs.
    """

    node: onnx.NodeProto
    bits: int
    measured: Floats
    explained: Floats
    step: float
    input_measured: float
    input_explained: float


def taps(reference: onnx.ModelProto, images: NDArray[np.float32]) -> dict[str, Floats]:
    """Return the inputs and outputs of every layer with a stored weight, and the model's output, by tensor."""
    own = {tensor.name for tensor in reference.graph.initializer}
    layers = [node for node in reference.graph.node if node.op_type in WEIGHTED_OPS and node.input[1] in own]
    names = [name for node in layers for name in (*computed_inputs(node, own), node.output[0])]
    expected = signature_of(reference)
    wanted = [name for name in dict.fromkeys([*names, expected.output_name]) if name != expected.input_name]
    probe = copied(reference)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    return {expected.input_name: images, **run(probe, {expected.input_name: images})}


def layer_errors(
    reference: onnx.ModelProto, quantized: onnx.ModelProto, seen: Mapping[str, Floats], ranges: Ranges
) -> Iterator[LayerError]:
    """Yield the error of every layer that both models have under one node name, in graph order.

    ``seen`` are the float model's :func:`taps`, ``ranges`` the calibrated ones by tensor; where an
    input has none its own extremes serve.
    """
    pairs = list(layer_pairs(reference, quantized))
    if not pairs:
        return
    inputs = {
        f"{number}/input": _within(seen[pair.reference.input[0]], ranges.get(pair.reference.input[0]))
        for number, pair in enumerate(pairs)
    }
    biases = {f"{number}/bias/input": seen[pair.bias] for number, pair in enumerate(pairs) if pair.bias}
    stored = run(side_by_side(quantized, pairs), inputs | biases)
    floats = _wanted(reference, pairs, seen, inputs | biases)
    weights, known = weight_values(reference), layouts(reference)
    for number, pair in enumerate(pairs):
        name, before = pair.reference.input[1], inputs[f"{number}/input"]
        fed = _Fed(
            before=before,
            coded=stored.get(f"{number}/coded", before),
            limits=ranges.get(pair.reference.input[0]),
            wanted=floats[f"{number}/output"],
            given=stored[f"{number}/output"],
        )
        yield _error(pair, fed, weights[name], known.get(name))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fed:
    """One layer's input ``before`` and after it was ``coded``, its calibrated limits, and both models' outputs."""

    before: Floats
    coded: Floats
    limits: tuple[float, float] | None
    wanted: Floats
    given: Floats


def _error(pair: LayerPair, fed: _Fed, weight: Floats, layout: Layout | None) -> LayerError:
    coding = _mean_square(_eight_bits(fed.before, fed.limits) - fed.before) + _step(fed.before, fed.limits) ** 2 / 12
    # A target without 8-bit products has 7 bits: what that explains is explained everywhere.
    rounding = Rounding(bits=4 if pair.bits == 4 else 7, inputs=coding)
    measured = _by_channel(fed.given - fed.wanted, _channels(pair.reference, fed.wanted))
    return LayerError(
        node=pair.reference,
        bits=pair.bits,
        measured=measured,
        explained=explained(weight, layout, fed.before, rounding, len(measured)),
        step=float(np.max(fed.wanted) - np.min(fed.wanted)) / 255,
        input_measured=_mean_square(fed.coded - fed.before),
        input_explained=coding,
    )


def _wanted(
    model: onnx.ModelProto, pairs: list[LayerPair], seen: Mapping[str, Floats], inputs: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Return the float layers' outputs for the inputs: those seen, unless inputs were beyond the calibrated ranges."""
    if all(inputs[f"{number}/input"] is seen[pair.reference.input[0]] for number, pair in enumerate(pairs)):
        return {f"{number}/output": seen[pair.reference.output[0]] for number, pair in enumerate(pairs)}
    plain = [dataclasses.replace(pair, quantized=pair.reference, makers=(), activation=()) for pair in pairs]
    return run(side_by_side(model, plain), inputs)


def _channels(node: onnx.NodeProto, output: Floats) -> int:
    return 1 if "Conv" in node.op_type else output.ndim - 1


def _mean_square(errors: Floats) -> float:
    return float(np.mean(errors.astype(np.float64) ** 2))


def _by_channel(errors: Floats, axis: int) -> Floats:
    rows = np.moveaxis(errors, axis, 0).reshape(errors.shape[axis], -1).astype(np.float64)
    return np.asarray((rows**2).mean(axis=1))


def _limits(values: Floats, known: tuple[float, float] | None) -> tuple[float, float]:
    low, high = known or (float(values.min()), float(values.max()))
    return min(low, 0.0), max(high, 0.0)


def _step(values: Floats, known: tuple[float, float] | None) -> float:
    low, high = _limits(values, known)
    return (high - low) / 255


def _within(values: Floats, known: tuple[float, float] | None) -> Floats:
    """Return the values within the calibrated range, the same ones where none is half a step beyond."""
    (low, high), room = _limits(values, known), _step(values, known) / 2
    if values.min() >= low - room and values.max() <= high + room:
        return values
    return np.clip(values, low, high)


def _eight_bits(values: Floats, known: tuple[float, float] | None) -> NDArray[np.float32]:
    step = _step(values, known) or 1.0
    return np.asarray(np.rint(np.clip(values, *_limits(values, known)) / step) * step, dtype=np.float32)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """Bits of the weights, and the mean square of what 8 bits do to the ``inputs``."""

    bits: int
    inputs: float


def explained(
    weight: Floats, layout: Layout | None, inputs: Floats, rounding: Rounding, channels: int
) -> NDArray[np.float64]:
    """Return the mean square error (C,) of a layer's output that rounding weights and inputs explains.

    A layer without scales per channel (no ``layout``) has one for all.
    """
    rows = weight.reshape(1, -1) if layout is None else layout.rows(weight)
    groups = 1 if layout is None else layout.groups
    width = _width(weight, layout)
    steps = max_scales(rows, rounding.bits).astype(np.float64)
    norms = np.einsum("rd,rd->r", rows, rows, dtype=np.float64) * (width / rows.shape[1])
    # A transposed convolution has a row for each channel of a group.
    by_row = np.tile([steps**2 / 12, norms * rounding.inputs], channels // len(rows))
    return np.asarray(np.repeat(_energy(inputs, groups), channels // groups) * width * by_row[0] + by_row[1])


def _width(weight: Floats, layout: Layout | None) -> int:
    """Return how many weights an output sums over."""
    if layout is None:
        return int(weight.shape[-2])
    return layout.width if layout.whole else layout.width // layout.groups


def _energy(inputs: Floats, groups: int) -> NDArray[np.float64]:
    """Return the mean square of the inputs (N, C, ...) of each group."""
    rows = inputs.reshape(len(inputs), groups, -1) if groups > 1 else inputs.reshape(1, 1, -1)
    return np.asarray(np.einsum("ngd,ngd->g", rows, rows, dtype=np.float64) / (rows.shape[0] * rows.shape[2]))
