"""The fusion receipt: what ONNX Runtime made of a file, which nodes stayed float, and why."""

from __future__ import annotations

import dataclasses
import functools
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto

from compress_onnx.model import Model
from compress_onnx.ort import open_session
from compress_onnx.records import FloatNode, FusionReceipt

# The families that carry a classifier's arithmetic: Conv, Gemm and MatMul, as ORT's optimizer names them.
INTEGER_WEIGHTED = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeMatMul",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "QGemm",
        "QLinearConv",
        "QLinearConvTranspose",
        "QLinearMatMul",
    }
)
FLOAT_WEIGHTED = frozenset(
    {
        "Conv",
        "ConvTranspose",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "Gemm",
        "MatMul",
        "MatMulNBits",
        "NhwcConv",
        "NhwcFusedConv",
        "TransposeMatMul",
    }
)
QDQ = frozenset({"QuantizeLinear", "DequantizeLinear"})
# Moves or clamps values without computing new ones: Q/DQ on the far side still belongs to the node.
_PASSED_THROUGH = frozenset(
    {"Clip", "Flatten", "Identity", "Relu", "ReorderInput", "ReorderOutput", "Reshape", "Squeeze", "Transpose"}
)
_FOUR_BIT_TYPES = frozenset({TensorProto.INT4, TensorProto.UINT4})

FOUR_BIT_WEIGHT = "4-bit weight: the runtime dequantizes it at every call"
NO_INPUT_QDQ = "no Q/DQ on its input"
NO_WEIGHT_QDQ = "its weight is not quantized"
NO_OUTPUT_QDQ = "no Q/DQ on its output"
S8_ACTIVATIONS = "S8 activations on x86-64: only U8 activations fuse there"
UNSUPPORTED = "unsupported: the runtime has no integer kernel for this operator with these types"


def fusion_receipt(model: Path | Model) -> FusionReceipt:
    """Load the model as it will run here and count what became integer kernels.

    Errors
    ------
    ModelError
        if the file is missing or ORT cannot load it.
    """
    return receipt_of(optimized_graph(model), machine=platform.machine())


def optimized_graph(model: Path | Model) -> onnx.GraphProto:
    """Return the graph that ORT runs on this CPU for a file.

    It holds operators of ORT's own domains, and its layout is this CPU's: it is read to be looked
    at, never kept, and ``onnx.checker`` would refuse it.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as folder:
        file = Path(folder) / "optimized.onnx"
        open_session(model, save_optimized_to=file)
        return onnx.load(file).graph


def receipt_of(graph: onnx.GraphProto, *, machine: str) -> FusionReceipt:
    """Return the receipt of an optimized graph that runs on ``machine`` (as ``platform.machine``).

    ``quantized_nodes`` counts all integer kernels. ``float_nodes`` lists Conv, Gemm and MatMul
    nodes computed in floating point, and other operators that stand between DQ and Q without
    having fused. ``stray_qdq`` counts Q and DQ nodes that are left, except those that quantize the
    graph's input or dequantize its output. ``int8_fraction`` is the integer share of Conv, Gemm
    and MatMul nodes; 0 where there are none.
    """
    links = _Links(graph)
    integer = sum(node.op_type in INTEGER_WEIGHTED for node in graph.node)
    floating = sum(node.op_type in FLOAT_WEIGHTED for node in graph.node)
    return FusionReceipt(
        quantized_nodes=sum(_is_integer_kernel(node) for node in graph.node),
        float_nodes=tuple(
            FloatNode(op=node.op_type, name=node.name, reason=_reason(node, links, machine))
            for node in graph.node
            if _stayed_float(node, links)
        ),
        stray_qdq=sum(_is_stray(node, links) for node in graph.node),
        int8_fraction=integer / (integer + floating) if integer else 0.0,
    )


@dataclasses.dataclass(frozen=True)
class _Links:
    """Who makes and who takes each tensor of a graph."""

    graph: onnx.GraphProto

    @functools.cached_property
    def makers(self) -> dict[str, NodeProto]:
        return {output: node for node in self.graph.node for output in node.output}

    @functools.cached_property
    def takers(self) -> dict[str, list[NodeProto]]:
        readers: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        return readers

    @functools.cached_property
    def types(self) -> dict[str, int]:
        return {tensor.name: tensor.data_type for tensor in self.graph.initializer}

    @functools.cached_property
    def outputs(self) -> frozenset[str]:
        return frozenset(value.name for value in self.graph.output)

    def source(self, name: str) -> NodeProto | None:
        """Return the node that made a tensor, seen through operators that only pass values on."""
        node = self.makers.get(name)
        while node is not None and node.op_type in _PASSED_THROUGH:
            node = self.makers.get(node.input[0])
        return node

    def readers(self, name: str) -> Iterator[NodeProto | None]:
        """Yield the nodes that use a tensor, seen through likewise; ``None`` is the graph's output."""
        if name in self.outputs:
            yield None
        for node in self.takers.get(name, ()):
            if node.op_type in _PASSED_THROUGH:
                yield from self.readers(node.output[0])
            else:
                yield node

    def element_type(self, qdq: NodeProto) -> int:
        """Return the integer type of a Q or DQ node: that of its zero point, else of what it reads."""
        for name in (*qdq.input[2:], qdq.input[0]):
            if name in self.types:
                return self.types[name]
        chosen = next((attribute.i for attribute in qdq.attribute if attribute.name == "output_dtype"), 0)
        return chosen or int(TensorProto.UINT8)


def _is_integer_kernel(node: NodeProto) -> bool:
    return node.op_type in INTEGER_WEIGHTED or node.op_type.startswith("QLinear")


def _is(node: NodeProto | None, op_type: str) -> bool:
    return node is not None and node.op_type == op_type


def _stayed_float(node: NodeProto, links: _Links) -> bool:
    if node.op_type in FLOAT_WEIGHTED:
        return True
    if node.op_type in QDQ | _PASSED_THROUGH or _is_integer_kernel(node):
        return False
    fed = any(_is(links.source(name), "DequantizeLinear") for name in node.input)
    return fed and any(_is(reader, "QuantizeLinear") for reader in links.readers(node.output[0]))


def _reason(node: NodeProto, links: _Links, machine: str) -> str:
    """Say why a node stayed float: the first cause that would have to be removed."""
    sources = [links.source(name) for name in node.input[:2]]
    readers = list(links.readers(node.output[0]))
    dequantized = [source for source in sources if source is not None and source.op_type == "DequantizeLinear"]
    requantized = [reader for reader in readers if reader is not None and reader.op_type == "QuantizeLinear"]
    # A weight is S8 by right; what counts is the type of the activations.
    fed = dequantized[:1] if node.op_type in FLOAT_WEIGHTED else dequantized
    types = {links.element_type(qdq) for qdq in fed + requantized}
    if node.op_type == "MatMulNBits" or any(links.element_type(source) in _FOUR_BIT_TYPES for source in dequantized):
        return FOUR_BIT_WEIGHT
    if not _is(sources[0], "DequantizeLinear"):
        return NO_INPUT_QDQ
    if not all(_is(source, "DequantizeLinear") for source in sources):
        return NO_WEIGHT_QDQ if node.op_type in FLOAT_WEIGHTED else NO_INPUT_QDQ
    if len(requantized) < max(len(readers), 1):
        return NO_OUTPUT_QDQ
    if TensorProto.INT8 in types and machine.lower() in {"x86_64", "amd64"}:
        return S8_ACTIVATIONS
    return UNSUPPORTED


def _is_stray(node: NodeProto, links: _Links) -> bool:
    if node.op_type == "QuantizeLinear":
        return links.source(node.input[0]) is not None
    if node.op_type == "DequantizeLinear":
        return any(reader is not None for reader in links.readers(node.output[0]))
    return False
