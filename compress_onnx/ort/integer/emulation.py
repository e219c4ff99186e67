"""A model run as another CPU would: its integer nodes at risk computed here, all else by the runtime."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, inliner
from threadpoolctl import ThreadpoolController

from compress_onnx.errors import ModelError
from compress_onnx.ort.failures import runtime_failures
from compress_onnx.ort.integer.kernels import SLOTS, IntegerNode, integer_nodes
from compress_onnx.ort.integer.requantization import result_of
from compress_onnx.ort.integer.stages import Stage, key_of, staged
from compress_onnx.ort.integer.types import declare_types, element_types, types_of
from compress_onnx.ort.session import fused_model, open_session

# Integer operators that compute element by element, or on one type each, alike on every CPU.
_ELEMENTWISE = frozenset(
    {
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "QLinearAdd",
        "QLinearAveragePool",
        "QLinearConcat",
        "QLinearGlobalAveragePool",
        "QLinearLeakyRelu",
        "QLinearMul",
        "QLinearReduceMean",
        "QLinearSigmoid",
        "QLinearSoftmax",
        "QLinearWhere",
        "QuantizeLinear",
    }
)
_INTEGER = re.compile(r"^(Q[A-Z]|Quantize|Dequantize|DynamicQuantize)|Integer|NBits")
# MatMulNBits quantizes its activations to int8 at this level of accuracy.
_INT8_LEVEL = 4
Watch = Callable[[IntegerNode, NDArray[np.uint8], int], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FusedModel:
    """What the runtime made of a model, its integer nodes, and the nodes whose kernels were never measured.

    ``unmeasured`` holds (operator, name of the node in the user's file).
    """

    model: onnx.ModelProto
    nodes: tuple[IntegerNode, ...]
    unmeasured: tuple[tuple[str, str], ...]

    @property
    def at_risk(self) -> tuple[IntegerNode, ...]:
        """The nodes of which a pair can overflow on an x86-64 CPU without VNNI."""
        return tuple(node for node in self.nodes if node.risks().any())


def fused(model: onnx.ModelProto, *, where: object = "") -> FusedModel:
    """Return the integer nodes of a model as the runtime runs them.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model.
    """
    marked, origins = _marked(model)
    try:
        made = split_dynamic(fused_model(marked, where=where))
    except ModelError:
        # The same complaint, about the names that the file has.
        made = split_dynamic(fused_model(model, where=where))
    if any(node.op_type in SLOTS for node in made.graph.node):
        declare_types(made)
    origin_of = {node.name: origins[_mark(node.name)] for node in made.graph.node if _mark(node.name) in origins}
    nodes = tuple(integer_nodes(made, origin_of))
    return FusedModel(model=made, nodes=nodes, unmeasured=tuple(_unmeasured(made, nodes, origin_of)))


def _marked(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, tuple[int, str]]]:
    """Return a copy whose nodes are numbered by name, which the optimizer keeps, with their places and names."""
    copy = onnx.ModelProto()
    copy.CopyFrom(inliner.inline_local_functions(model) if model.functions else model)
    origins = {}
    for number, node in enumerate(copy.graph.node):
        origins[f"#{number}#"] = number, node.name or f"{node.op_type}_{node.output[0]}"
        node.name = f"#{number}#"
    return copy, origins


def _mark(name: str) -> str:
    mark = re.search(r"#\d+#", name)
    return mark[0] if mark else name


def split_dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write each DynamicQuantizeMatMul as DynamicQuantizeLinear and MatMulIntegerToFloat, which it fuses."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = [part for node in model.graph.node for part in _split(node)]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _split(node: NodeProto) -> Sequence[NodeProto]:
    if node.op_type != "DynamicQuantizeMatMul":
        return (node,)
    values, weight, scale, *rest = node.input
    zero, bias = (*rest, "", "")[:2]
    levels, step, point = (f"{node.output[0]}/{what}" for what in ("levels", "step", "zero"))
    product = [levels, weight, step, scale, point, zero, bias]
    return (
        helper.make_node("DynamicQuantizeLinear", [values], [levels, step, point], f"{node.name}/quantize"),
        helper.make_node("MatMulIntegerToFloat", product, node.output, node.name, domain=node.domain),
    )


def _unmeasured(
    model: onnx.ModelProto, integer: Sequence[IntegerNode], origins: Mapping[str, tuple[int, str]]
) -> list[tuple[str, str]]:
    measured, kinds = {key_of(node.proto) for node in integer}, element_types(model)
    outer = [
        (node.op_type, origins.get(node.name, (-1, node.name))[1])
        for node in model.graph.node
        if _is_unmeasured(node, kinds) and key_of(node) not in measured
    ]
    inner = (node for node in _inner_nodes(model.graph) if _adds_integers(node))
    return outer + [(node.op_type, node.name or node.output[0]) for node in inner]


def _adds_integers(node: NodeProto) -> bool:
    if node.op_type == "MatMulNBits":
        # Any other level multiplies in floating point.
        return any(entry.name == "accuracy_level" and entry.i == _INT8_LEVEL for entry in node.attribute)
    return bool(_INTEGER.search(node.op_type)) and node.op_type not in _ELEMENTWISE


def _is_unmeasured(node: NodeProto, kinds: Mapping[str, int]) -> bool:
    """Tell whether a node without constant weights, or of another operator, may saturate for all that is known."""
    if node.op_type not in SLOTS:
        return _adds_integers(node)
    slots = SLOTS[node.op_type]
    types = tuple(kinds.get(node.input[slot]) for slot in (slots.activation, slots.weight))
    return types not in {(TensorProto.UINT8, TensorProto.UINT8), (TensorProto.INT8, TensorProto.INT8)}


def _inner_nodes(graph: onnx.GraphProto) -> list[NodeProto]:
    """Return the nodes of all branches and loop bodies."""
    inner = [entry.g for node in graph.node for entry in node.attribute if entry.HasField("g")]
    return [node for one in inner for node in (*one.node, *_inner_nodes(one))]


class EmulatedModel:
    """A model whose integer nodes at risk add as asked: saturating pairs, or exactly."""

    def __init__(self, source: FusedModel, *, saturating: bool, threads: int = 1, watch: Watch | None = None) -> None:
        self._nodes = {key_of(node.proto): node for node in source.at_risk}
        self._saturating, self._watch = saturating, watch
        self._input = _fed(source.model.graph)
        self._output = source.model.graph.output[0].name
        # On small matrices NumPy's threads wait for each other longer than they work.
        self._threads, self._pools = threads, ThreadpoolController()
        kinds = element_types(source.model)
        self._stages = [(stage, _opened(stage, kinds, threads)) for stage in staged(source.model, self._nodes.keys())]

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the first output for a batch of model inputs."""
        with self._pools.limit(limits=self._threads, user_api="blas"):
            return self._run(images)

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        values: dict[str, NDArray[Any]] = {self._input: images}
        for stage, session in self._stages:
            for proto in stage.computed:
                values[proto.output[0]] = self._computed(self._nodes[key_of(proto)], values)
            if session is not None:
                with runtime_failures(""):
                    answers = session.run(list(stage.outputs), {name: values[name] for name in stage.inputs})
                values |= dict(zip(stage.outputs, answers, strict=True))
        return np.asarray(values[self._output])

    def _computed(self, node: IntegerNode, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        def given(slot: int | None) -> NDArray[Any] | None:
            constant = node.constant(slot)
            name = "" if slot is None or slot >= len(node.proto.input) else node.proto.input[slot]
            return values.get(name) if constant is None else constant

        levels, zero = values[node.activation], given(node.slots.activation_zero)
        point = 0 if zero is None else int(zero.reshape(-1)[0])
        if self._watch:
            self._watch(node, levels, point)
        return result_of(node, node.sums(levels, point, saturating=self._saturating), levels, given)


def _fed(graph: onnx.GraphProto) -> str:
    """Return the name of the input that images go into."""
    stored = {tensor.name for tensor in graph.initializer}
    return str(next(value.name for value in graph.input if value.name not in stored))


def _opened(stage: Stage, kinds: dict[str, int], threads: int) -> ort.InferenceSession | None:
    """Return a session of what the runtime does in a stage, and note the types of what comes out."""
    if not stage.nodes:
        return None
    session = open_session(stage.model(kinds).SerializeToString(), threads=threads)
    kinds |= types_of(session)
    return session


def expect_measured(source: FusedModel, cpu: str, *, where: object) -> None:
    """Raise :class:`ModelError` if a node's kernel was never measured on that class of CPU."""
    if source.unmeasured:
        (op, name), *rest = source.unmeasured
        others = f" and {len(rest)} more" if rest else ""
        raise ModelError(
            f"operators whose integer kernels on {cpu} were measured",
            f"{op} in node {name!r}{others}: it cannot be simulated",
            where=where,
            remedy="Ask such a CPU itself: --target ssh://user@board, or qemu:haswell.",
        )
