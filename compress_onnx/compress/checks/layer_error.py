"""How far each layer of a quantized model is from the float one, fed the float model's own inputs.

Every layer is looked at alone, so that no error adds up, beside what its widths explain: rounding
that is even over a step, of inputs to 8 bits of the calibrated range and of weights to the width that
is stored, each channel by its maximum. A weight's error of variance s²/12 meets the inputs' energy, an
input's the weights' (Widrow and Kollár 2008, chapter 5).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.compress.layers import Layout, layouts, max_scales, weight_values
from compress_onnx.model import WEIGHTED_OPS, copied, signature_of
from compress_onnx.ort import quiet_options, step_failures

_BIAS = 2
_CONSTANT_MAKERS = frozenset({"DequantizeLinear", "Cast"})
_FOUR_BITS = frozenset({TensorProto.INT4, TensorProto.UINT4})
Floats = NDArray[np.floating]
Ranges = Mapping[str, tuple[float, float]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerError:
    """A layer's error: mean squares by output channel (C,), ``found`` and ``explained``, and those of its input.

    ``step`` is that of 8 bits over the layer's outputs.
    """

    node: onnx.NodeProto
    bits: int
    found: Floats
    explained: Floats
    step: float
    input_found: float
    input_explained: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pair:
    """One layer in the float model and in the quantized one, with what makes its constants there.

    ``bias`` names the float model's bias where it is computed.
    """

    reference: onnx.NodeProto
    quantized: onnx.NodeProto
    makers: tuple[onnx.NodeProto, ...]
    activation: tuple[onnx.NodeProto, ...]
    bits: int
    bias: str


def taps(reference: onnx.ModelProto, images: NDArray[np.float32]) -> dict[str, Floats]:
    """Return the inputs and outputs of every layer with a stored weight, and the model's output, by tensor."""
    own = {tensor.name for tensor in reference.graph.initializer}
    layers = [node for node in reference.graph.node if node.op_type in WEIGHTED_OPS and node.input[1] in own]
    names = [name for node in layers for name in (*_given(node, own), node.output[0])]
    expected = signature_of(reference)
    wanted = [name for name in dict.fromkeys([*names, expected.output_name]) if name != expected.input_name]
    probe = copied(reference)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    return {expected.input_name: images, **_run(probe, {expected.input_name: images})}


def _given(node: onnx.NodeProto, stored: AbstractSet[str]) -> list[str]:
    """Return a layer's inputs that are computed: the first, and now and then the bias."""
    return [name for name in node.input if name and name not in stored]


def layer_errors(
    reference: onnx.ModelProto, quantized: onnx.ModelProto, seen: Mapping[str, Floats], ranges: Ranges
) -> Iterator[LayerError]:
    """Yield the error of every layer that both models have under one node name, in graph order.

    ``seen`` are the float model's :func:`taps`, ``ranges`` the calibrated ones by tensor; where an
    input has none its own extremes serve.
    """
    pairs = list(_pairs(reference, quantized))
    if not pairs:
        return
    inputs = {
        f"{number}/input": _within(seen[pair.reference.input[0]], ranges.get(pair.reference.input[0]))
        for number, pair in enumerate(pairs)
    }
    biases = {f"{number}/bias/input": seen[pair.bias] for number, pair in enumerate(pairs) if pair.bias}
    stored = _run(_stored_layers(quantized, pairs), inputs | biases)
    floats = _wanted(reference, pairs, seen, inputs | biases)
    weights, known = weight_values(reference), layouts(reference)
    for number, pair in enumerate(pairs):
        before, wanted = inputs[f"{number}/input"], floats[f"{number}/output"]
        limits = ranges.get(pair.reference.input[0])
        coded = stored.get(f"{number}/coded", before)
        coding = _mean_square(_eight_bits(before, limits) - before) + _step(before, limits) ** 2 / 12
        name = pair.reference.input[1]
        # A target without 8-bit products has 7 bits: what that explains is explained everywhere.
        rounding = Rounding(bits=4 if pair.bits == 4 else 7, inputs=coding)
        found = _by_channel(stored[f"{number}/output"] - wanted, _channels(pair.reference, wanted))
        yield LayerError(
            node=pair.reference,
            bits=pair.bits,
            found=found,
            explained=explained(weights[name], known.get(name), before, rounding, len(found)),
            step=float(np.max(wanted) - np.min(wanted)) / 255,
            input_found=_mean_square(coded - before),
            input_explained=coding,
        )


def _wanted(
    model: onnx.ModelProto, pairs: list[_Pair], seen: Mapping[str, Floats], inputs: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Return the float layers' outputs for the inputs: those seen, unless inputs were beyond the calibrated ranges."""
    if all(inputs[f"{number}/input"] is seen[pair.reference.input[0]] for number, pair in enumerate(pairs)):
        return {f"{number}/output": seen[pair.reference.output[0]] for number, pair in enumerate(pairs)}
    plain = [dataclasses.replace(pair, quantized=pair.reference, makers=(), activation=()) for pair in pairs]
    return _run(_stored_layers(model, plain), inputs)


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


def _pairs(reference: onnx.ModelProto, quantized: onnx.ModelProto) -> Iterator[_Pair]:
    found = {node.name: node for node in quantized.graph.node if node.op_type in WEIGHTED_OPS}
    makers = {output: node for node in quantized.graph.node for output in node.output}
    stored = {tensor.name: tensor for tensor in quantized.graph.initializer}
    own = {tensor.name for tensor in reference.graph.initializer}
    for node in reference.graph.node:
        other = found.get(node.name)
        if other is None or len(node.input) < 2 or node.input[1] not in own:
            continue
        constants = [_made_of_constants(name, makers) for name in other.input[1:] if name]
        source = _source(other.input[1], makers)
        if source not in stored:
            continue
        yield _Pair(
            reference=node,
            quantized=other,
            makers=tuple(maker for made in constants for maker in made),
            activation=_coding(other.input[0], makers),
            bits=4 if stored[source].data_type in _FOUR_BITS else 8,
            bias=next(iter(_given(node, own)[1:]), ""),
        )


def _made_of_constants(name: str, makers: Mapping[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return the nodes that make a weight or bias, first to last."""
    maker = makers.get(name)
    if maker is None or maker.op_type not in _CONSTANT_MAKERS:
        return []
    return [*_made_of_constants(maker.input[0], makers), maker]


def _source(name: str, makers: Mapping[str, onnx.NodeProto]) -> str:
    made = _made_of_constants(name, makers)
    return made[0].input[0] if made else name


def _coding(name: str, makers: Mapping[str, onnx.NodeProto]) -> tuple[onnx.NodeProto, ...]:
    """Return the QuantizeLinear and DequantizeLinear before a layer, nothing where it reads floats."""
    last = makers.get(name)
    first = makers.get(last.input[0]) if last is not None and last.op_type == "DequantizeLinear" else None
    if last is None or first is None or first.op_type != "QuantizeLinear":
        return ()
    return first, last


def _stored_layers(model: onnx.ModelProto, pairs: list[_Pair]) -> onnx.ModelProto:
    """Return a model of the quantized layers side by side, each behind its own input."""
    nodes: dict[str, onnx.NodeProto] = {}
    layers: list[onnx.NodeProto] = []
    for number, pair in enumerate(pairs):
        nodes |= {maker.output[0]: maker for maker in pair.makers}
        before = f"{number}/input"
        if pair.activation:
            first, last = (_copy(node) for node in pair.activation)
            first.input[0], first.output[0] = before, f"{number}/code"
            last.input[0], last.output[0] = f"{number}/code", f"{number}/coded"
            layers += [first, last]
            before = f"{number}/coded"
        layers.append(_renamed(pair.quantized, before, number))
        if pair.bias:
            layers[-1].input[_BIAS] = f"{number}/bias/input"
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    return _beside(model, [*nodes.values(), *layers], tensors)


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return the node without its name: two layers may share what codes their input."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = ""
    return copy


def _renamed(node: onnx.NodeProto, before: str, number: int) -> onnx.NodeProto:
    copy = _copy(node)
    copy.input[0], copy.output[0] = before, f"{number}/output"
    return copy


def _beside(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], tensors: Mapping[str, onnx.TensorProto]
) -> onnx.ModelProto:
    read = dict.fromkeys(name for node in nodes for name in node.input)
    made = dict.fromkeys(name for node in nodes for name in node.output)
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in read if name.endswith("/input")],
        [onnx.ValueInfoProto(name=name) for name in made if name.endswith(("/output", "/coded"))],
        [tensors[name] for name in read if name in tensors],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _run(model: onnx.ModelProto, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
    options = quiet_options()
    # As it is written: fused, an integer kernel of this CPU may saturate where the target's does not.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with step_failures("layers that ONNX Runtime runs one by one", where="check of the result"):
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
