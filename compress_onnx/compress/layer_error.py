"""How far each layer of a quantised model is from the float one, fed the float model's own inputs.

Every layer is looked at alone, so that no error adds up, beside what its widths explain: the same
layer with inputs rounded to 8 bits of the calibrated range and weights to the width that is stored,
each channel by its maximum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.failures import runtime_failures
from compress_onnx.compress.layout import layouts, with_weights
from compress_onnx.compress.scales import max_scales, rounded
from compress_onnx.compress.sessions import quiet_options
from compress_onnx.graph import WEIGHTED_OPS, signature

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
    """One layer in the float model and in the quantised one, with what makes its constants there."""

    reference: onnx.NodeProto
    quantised: onnx.NodeProto
    makers: tuple[onnx.NodeProto, ...]
    activation: tuple[onnx.NodeProto, ...]
    bits: int


def layer_errors(
    reference: onnx.ModelProto, quantised: onnx.ModelProto, images: NDArray[np.float32], ranges: Ranges
) -> Iterator[LayerError]:
    """Yield the error of every layer that both models have under one node name, in graph order.

    ``images`` (N, C, H, W) float32, as many as the model takes at once; ``ranges`` are the calibrated
    ones by tensor, where an input has none its own extremes serve.
    """
    pairs = list(_pairs(reference, quantised))
    seen = _tapped(
        reference, [name for pair in pairs for name in (pair.reference.input[0], pair.reference.output[0])], images
    )
    inputs = {f"{number}/input": seen[pair.reference.input[0]] for number, pair in enumerate(pairs)}
    stored = _run(_stored_layers(quantised, pairs), inputs)
    eight = {
        f"{number}/input": _eight_bits(inputs[f"{number}/input"], ranges.get(pair.reference.input[0]))
        for number, pair in enumerate(pairs)
    }
    ideal = _run(_ideal_layers(reference, pairs), eight)
    for number, pair in enumerate(pairs):
        before, wanted = inputs[f"{number}/input"], seen[pair.reference.output[0]]
        axis = 1 if "Conv" in pair.reference.op_type else wanted.ndim - 1
        coded = stored.get(f"{number}/coded", before)
        yield LayerError(
            node=pair.reference,
            bits=pair.bits,
            found=_by_channel(stored[f"{number}/output"] - wanted, axis),
            explained=_by_channel(ideal[f"{number}/output"] - wanted, axis),
            step=float(np.ptp(wanted)) / 255,
            input_found=_mean_square(coded - before),
            input_explained=_mean_square(eight[f"{number}/input"] - before),
        )


def _mean_square(errors: Floats) -> float:
    return float(np.mean(errors.astype(np.float64) ** 2))


def _by_channel(errors: Floats, axis: int) -> Floats:
    rows = np.moveaxis(errors, axis, 0).reshape(errors.shape[axis], -1).astype(np.float64)
    return np.asarray((rows**2).mean(axis=1))


def _eight_bits(values: Floats, limits: tuple[float, float] | None) -> NDArray[np.float32]:
    low, high = limits or (float(values.min()), float(values.max()))
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / 255 or 1.0
    return np.asarray(np.rint(np.clip(values, low, high) / step) * step, dtype=np.float32)


def _pairs(reference: onnx.ModelProto, quantised: onnx.ModelProto) -> Iterator[_Pair]:
    found = {node.name: node for node in quantised.graph.node if node.op_type in WEIGHTED_OPS}
    makers = {output: node for node in quantised.graph.node for output in node.output}
    stored = {tensor.name: tensor for tensor in quantised.graph.initializer}
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
            quantised=other,
            makers=tuple(maker for made in constants for maker in made),
            activation=_coding(other.input[0], makers),
            bits=4 if stored[source].data_type in _FOUR_BITS else 8,
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
    """Return a model of the quantised layers side by side, each behind its own input."""
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
        layers.append(_renamed(pair.quantised, before, number))
    return _beside(model, [*nodes.values(), *layers], pairs)


def _ideal_layers(model: onnx.ModelProto, pairs: list[_Pair]) -> onnx.ModelProto:
    """Return a model of the float layers side by side, each weight at the nearest values of its width."""
    known = layouts(model)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    values = {}
    for pair in pairs:
        name = pair.reference.input[1]
        if name in known:
            rows = known[name].rows(numpy_helper.to_array(stored[name]))
            # A target without 8-bit products has 7 bits: what that explains is explained everywhere.
            bits = 4 if pair.bits == 4 else 7
            values[name] = known[name].tensor(rounded(rows, max_scales(rows, bits), bits))
    nodes = [_renamed(pair.reference, f"{number}/input", number) for number, pair in enumerate(pairs)]
    return _beside(with_weights(model, values), nodes, pairs)


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _renamed(node: onnx.NodeProto, before: str, number: int) -> onnx.NodeProto:
    copy = _copy(node)
    copy.input[0], copy.output[0] = before, f"{number}/output"
    return copy


def _beside(model: onnx.ModelProto, nodes: list[onnx.NodeProto], pairs: list[_Pair]) -> onnx.ModelProto:
    read = {name for node in nodes for name in node.input}
    made = {name for node in nodes for name in node.output}
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info(f"{number}/input", TensorProto.FLOAT, None) for number in range(len(pairs))],
        [onnx.ValueInfoProto(name=name) for name in sorted(made) if name.endswith(("/output", "/coded"))],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _run(model: onnx.ModelProto, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
    options = quiet_options()
    # As it is written: fused, an integer kernel of this CPU may saturate where the target's does not.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with runtime_failures("layers that ONNX Runtime runs one by one", where="check of the result"):
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _tapped(model: onnx.ModelProto, names: list[str], images: NDArray[np.float32]) -> dict[str, Floats]:
    """Return what the named tensors are on the images."""
    fed = signature(model).input_name
    wanted = [name for name in dict.fromkeys(names) if name != fed]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    with runtime_failures("a model that runs on the calibration images", where="check of the result"):
        session = ort.InferenceSession(
            probe.SerializeToString(), quiet_options(), providers=["CPUExecutionProvider"], enable_fallback=0
        )
        return {fed: images, **dict(zip(wanted, session.run(wanted, {fed: images}), strict=True))}
