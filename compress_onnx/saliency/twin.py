"""The twin: an ONNX classifier as a PyTorch module that computes the same, for its gradients.

ONNX Runtime gives no gradients. The twin executes the file's own graph, node by node, so that what
is explained is what is deployed, activation rounding included.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from operator import getitem

import onnx
import torch
from onnx import inliner
from torch import fx, nn

from compress_onnx.errors import ModelError, UnsupportedOperatorError
from compress_onnx.model import is_quantized, signature_of
from compress_onnx.ort import fused, saturates
from compress_onnx.saliency.operators import (
    CONVERTERS,
    PRODUCTS,
    Constant,
    Node,
    Saturation,
    computed,
    fuse_pairs,
    saturation_of,
    stored,
    type_name,
    unknown_operator,
    written_out,
)

_OWN_DOMAIN = {"", "ai.onnx"}
# What a twin already has under a name of its own.
_RESERVED = frozenset(dir(fx.GraphModule(nn.Module(), fx.Graph())))


def build_twin(model: onnx.ModelProto, *, saturating: bool | None = None) -> fx.GraphModule:
    """Return a module from images (N, C, H, W) float32 to the model's first output (N, classes).

    Every ONNX node that depends on the image is one ``nn.Module`` named after it; nodes that do not
    are computed here, once. Weights are parameters without gradient. Any N is taken that the file
    itself takes: :func:`fixed_batch` tells. The argument is not changed.

    Errors
    ------
    UnsupportedOperatorError
        for an operator, or a use of one, that the table of converters lacks.
    ModelError
        if the model is not an image classifier or its output does not depend on the image.
    """
    signature = signature_of(model)
    # Exporters may leave parts as functions of the file's own; the table knows operators only.
    whole = inliner.inline_local_functions(model) if model.functions else model
    losing = _saturating_nodes(whole) if (saturates() if saturating is None else saturating) else {}
    assembly = _Assembly(whole)
    assembly.feed(signature.input_name)
    for place, proto in _needed(whole.graph.node, signature.output_name):
        for part in written_out(proto):
            assembly.add(part, losing.get(place) if part.op_type in PRODUCTS else None)
    twin = assembly.finish(signature.output_name)
    twin.meta["fixed_batch"] = signature.fixed_batch
    twin.meta["classes"] = signature.classes
    return twin


def fixed_batch(twin: nn.Module) -> int | None:
    """Return the only batch size the twin's file takes, ``None`` where any goes."""
    size: int | None = getattr(twin, "meta", {}).get("fixed_batch")
    return size


def classes(twin: nn.Module) -> int | None:
    """Return the number of the twin's logits, ``None`` where its file does not say."""
    count: int | None = getattr(twin, "meta", {}).get("classes")
    return count


def layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return a twin's modules by the names of their ONNX nodes, in the order they run; nodes without name left out.

    A module that is no twin, nor holds one, has its own names.
    """
    for part in module.modules():
        names: dict[str, str] | None = getattr(part, "meta", {}).get("layers")
        if names is not None:
            modules = dict(part.named_modules())
            return {node: modules[name] for node, name in names.items() if name in modules}
    return {name: part for name, part in module.named_modules() if name}


def _saturating_nodes(model: onnx.ModelProto) -> dict[int, Saturation]:
    """Return by its place in the graph what each node loses on a CPU that saturates."""
    if not is_quantized(model):
        return {}
    try:
        nodes = fused(model).at_risk
    except ModelError:
        # What the runtime refuses has no answers to agree with; the table of converters says it better.
        return {}
    losses = ((node.place, saturation_of(node)) for node in nodes)
    return {place: module for place, module in losses if module is not None}


def _needed(nodes: Iterable[onnx.NodeProto], output: str) -> list[tuple[int, onnx.NodeProto]]:
    """Return the nodes the output depends on with their places, in order."""
    wanted, chosen = {output}, []
    for place, node in reversed(list(enumerate(nodes))):
        if wanted.intersection(node.output):
            wanted.update(name for name in node.input if name)
            chosen.append((place, node))
    return chosen[::-1]


class _Assembly:
    """A twin in the making: what every ONNX value is, a constant or a node of the torch graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._values: dict[str, Constant | fx.Node] = {}
        self._opsets = {entry.domain: entry.version for entry in model.opset_import}
        self._used = {name for node in model.graph.node for name in node.input if name}
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self._layers: dict[str, str] = {}

    def feed(self, name: str) -> None:
        """Enter the model's input."""
        self._values[name] = self._graph.placeholder("images")

    def add(self, proto: onnx.NodeProto, saturation: Saturation | None = None) -> None:
        """Enter a node: computed at once if all it needs is known, else as a module of the twin.

        ``saturation`` follows the node, and is given its first input too.
        """
        operands = [self._value(name) if name else None for name in proto.input]
        constants = [value if isinstance(value, Constant) else None for value in operands]
        node = Node(proto, constants, self._opset(proto.domain))
        module = _converted(proto, node)
        in_parts = getattr(module, "gives_tuple", False)
        if not in_parts and self._used.intersection(proto.output[1:]):
            raise node.unsupported("more than its first output in use")
        if not any(isinstance(value, fx.Node) for value in operands):
            results = _evaluated(module, [constants[slot] for slot in node.arguments()])
            self._values.update(zip(proto.output, results, strict=False))
            return
        call = self._called(proto, module, [operands[slot] for slot in node.arguments()])
        if saturation is not None:
            call = self._saturated(call, saturation, operands[0])
        for place, name in enumerate(proto.output):
            self._values[name] = self._graph.call_function(getitem, (call, place)) if in_parts else call

    def finish(self, output: str) -> fx.GraphModule:
        """Return the twin whose result is the named value."""
        result = self._values.get(output)
        if not isinstance(result, fx.Node):
            raise ModelError("logits that depend on the image", "logits that are constant", where=f"output {output!r}")
        self._graph.output(result)
        twin = fx.GraphModule(self._root, self._graph, class_name="Twin")
        fuse_pairs(twin)
        twin.meta["layers"] = self._layers
        return twin.eval().requires_grad_(requires_grad=False)

    def _value(self, name: str) -> Constant | fx.Node:
        if name not in self._values:
            tensor = self._tensors.get(name)
            if tensor is None:
                raise ModelError("a graph in topological order", f"{name!r} used before it is computed")
            self._values[name] = _loaded(tensor)
        return self._values[name]

    def _opset(self, domain: str) -> int:
        names = _OWN_DOMAIN if domain in _OWN_DOMAIN else {domain}
        return next((version for name, version in self._opsets.items() if name in names), 1)

    def _called(
        self, proto: onnx.NodeProto, module: nn.Module, operands: Sequence[Constant | fx.Node | None]
    ) -> fx.Node:
        name = self._free_name(proto.name or f"{proto.op_type}_{proto.output[0]}")
        self._root.add_module(name, module)
        if proto.name:
            self._layers.setdefault(proto.name, name)
        return self._graph.call_module(name, tuple(self._argument(value) for value in operands))

    def _saturated(self, call: fx.Node, saturation: Saturation, given: Constant | fx.Node | None) -> fx.Node:
        name = self._free_name(f"{call.target}_saturation")
        self._root.add_module(name, saturation)
        return self._graph.call_module(name, (call, self._argument(given)))

    def _argument(self, value: Constant | fx.Node | None) -> fx.Node | None:
        if not isinstance(value, Constant):
            return value
        name = self._free_name("constant")
        self._root.register_buffer(name, value.tensor)
        return self._graph.get_attr(name)

    def _free_name(self, wanted: str) -> str:
        """Return a name that Python accepts and nothing in the twin has."""
        clean = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        stem = clean if clean.isidentifier() and not keyword.iskeyword(clean) else f"_{clean}"
        name, count = stem, 1
        while hasattr(self._root, name) or name in _RESERVED:
            count += 1
            name = f"{stem}_{count}"
        return name


def _loaded(tensor: onnx.TensorProto) -> Constant:
    constant = stored(tensor)
    if constant is None:
        raise UnsupportedOperatorError(
            "weights in a type that PyTorch holds exactly",
            type_name(tensor.data_type),
            where=f"initializer {tensor.name!r}",
            remedy="Saliency is left out for this model.",
        )
    return constant


def _converted(proto: onnx.NodeProto, node: Node) -> nn.Module:
    operator = proto.op_type if proto.domain in _OWN_DOMAIN else f"{proto.domain}::{proto.op_type}"
    if operator not in CONVERTERS:
        raise unknown_operator(operator, node.name)
    return CONVERTERS[operator](node)


def _evaluated(module: nn.Module, operands: Sequence[Constant | None]) -> tuple[Constant, ...]:
    """Return the outputs of a node whose inputs are all constant."""
    with torch.no_grad():
        result = module(*(None if value is None else value.tensor for value in operands))
    results = result if isinstance(result, tuple) else (result,)
    return tuple(computed(tensor.detach()) for tensor in results)
