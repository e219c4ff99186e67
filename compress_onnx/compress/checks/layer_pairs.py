"""Each layer with a stored weight as two models have it, and a model of such layers side by side, each behind its own input."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.model import WEIGHTED_OPS
from compress_onnx.ort import StepSession

_BIAS = 2
_CONSTANT_MAKERS = frozenset({"DequantizeLinear", "Cast"})
_FOUR_BITS = frozenset({TensorProto.INT4, TensorProto.UINT4})
Floats = NDArray[np.floating]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerPair:
    """One layer in the float model and in the quantized one, with what makes its constants there.

    ``bias`` names the float model's bias where it is computed.
    """

    reference: onnx.NodeProto
    quantized: onnx.NodeProto
    makers: tuple[onnx.NodeProto, ...]
    activation: tuple[onnx.NodeProto, ...]
    bits: int
    bias: str


def layer_pairs(reference: onnx.ModelProto, quantized: onnx.ModelProto) -> Iterator[LayerPair]:
    """Yield the layers with a stored weight that both models have under one node name, in the float one's order."""
    others = {node.name: node for node in quantized.graph.node if node.op_type in WEIGHTED_OPS}
    makers = {output: node for node in quantized.graph.node for output in node.output}
    stored = {tensor.name: tensor for tensor in quantized.graph.initializer}
    own = {tensor.name for tensor in reference.graph.initializer}
    for node in reference.graph.node:
        other = others.get(node.name)
        if other is None or len(node.input) < 2 or node.input[1] not in own:
            continue
        constants = [_made_of_constants(name, makers) for name in other.input[1:] if name]
        source = _source(other.input[1], makers)
        if source not in stored:
            continue
        yield LayerPair(
            reference=node,
            quantized=other,
            makers=tuple(maker for made in constants for maker in made),
            activation=_coding(other.input[0], makers),
            bits=4 if stored[source].data_type in _FOUR_BITS else 8,
            bias=next(iter(computed_inputs(node, own)[1:]), ""),
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


def computed_inputs(node: onnx.NodeProto, stored: AbstractSet[str]) -> list[str]:
    """Return a layer's inputs that are computed: the first, and now and then the bias."""
    return [name for name in node.input if name and name not in stored]


def side_by_side(model: onnx.ModelProto, pairs: list[LayerPair]) -> onnx.ModelProto:
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


def run(model: onnx.ModelProto, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return all outputs of a model as it is written, by name."""
    session = StepSession(
        model.SerializeToString(),
        optimized=False,
        expected="layers that ONNX Runtime runs one by one",
        where="check of the result",
    )
    return dict(zip(session.output_types, session.outputs(inputs), strict=True))
