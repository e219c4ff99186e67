"""A model in its plain form: what is constant is stored, in the main graph wherever that can be.

``normalized`` and ``with_plain_tensors`` return copies; the passes of which they consist each change the copy that they
are given in place, and compute the same. What remains beside
initializers of the main graph are the branches and bodies of If, Loop and Scan, and tensors that would be larger than
what they are made of.
"""

from __future__ import annotations

import onnx
from onnx import NodeProto, TensorProto, numpy_helper

from compress_onnx.model.constants import array, inlined
from compress_onnx.model.forms.graph_changes import drop_nodes, plain_regions, rename_reads
from compress_onnx.model.forms.stored_constants import with_stored_constants
from compress_onnx.model.forms.unfusing import unfused
from compress_onnx.model.nodes import copied

# Since version 4 an initializer need not be an input too.
_LEAST_IR = 4


def normalized(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in plain form, which computes the same; a model in that form is equal to its copy.

    Functions are inlined, the runtime's fused operators taken apart, sparse tensors made dense, Constant nodes made
    initializers, constants computed and stored, and initializers are no inputs. Quantized weights stay as they are.
    """
    copy = with_plain_tensors(model)
    without_constant_identities(copy)
    with_stored_constants(copy)
    return copy


def with_plain_tensors(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in plain form but for nodes that combine constants: what :func:`normalized` begins with."""
    copy = copied(inlined(model))
    with_plain_operators(copy)
    with_dense_tensors(copy)
    with_lifted_constants(copy)
    without_initializer_inputs(copy)
    return copy


def with_plain_operators(model: onnx.ModelProto) -> None:
    """Take the runtime's fused operators apart, where plain ONNX has what they do."""
    for region in plain_regions(model):
        made = [unfused(node, region) for node in region.nodes]
        for place in reversed(range(len(made))):
            nodes = made[place]
            if nodes is not None:
                del region.graph.node[place]
                for node in reversed(nodes):
                    region.graph.node.insert(place, node)


def with_dense_tensors(model: onnx.ModelProto) -> None:
    """Make a dense initializer of every sparse one, and a dense tensor of what sparse Constant nodes hold."""
    for graph in [region.graph for region in plain_regions(model)]:
        dense = [numpy_helper.from_array(array(sparse), sparse.values.name) for sparse in graph.sparse_initializer]
        del graph.sparse_initializer[:]
        graph.initializer.extend(dense)
        for node in graph.node:
            for attribute in node.attribute if node.op_type == "Constant" else ():
                if attribute.name == "sparse_value":
                    tensor = numpy_helper.from_array(array(attribute.sparse_tensor), node.output[0])
                    attribute.CopyFrom(onnx.helper.make_attribute("value", tensor))


def with_lifted_constants(model: onnx.ModelProto) -> None:
    """Make an initializer of every Constant node, in whichever attribute its numbers are; those of outputs stay."""
    for region in plain_regions(model):
        given = {output.name for output in region.graph.output}
        lifted = set()
        for node in region.nodes:
            constant = region.constants.get(node.output[0]) if node.op_type == "Constant" else None
            if constant is not None and node.output[0] not in given and isinstance(constant.stored, TensorProto):
                region.graph.initializer.add().CopyFrom(constant.stored)
                region.graph.initializer[-1].name = node.output[0]
                lifted.add(id(node))
        drop_nodes(region, lifted)


def without_initializer_inputs(model: onnx.ModelProto) -> None:
    """Take initializers out of the inputs, where old versions list them: nothing else is ever fed to them here."""
    stored = {tensor.name for tensor in model.graph.initializer}
    fed = [value for value in model.graph.input if value.name not in stored]
    if len(fed) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(fed)
    if stored:
        model.ir_version = max(model.ir_version, _LEAST_IR)


def without_constant_identities(model: onnx.ModelProto) -> None:
    """Let what reads an Identity of a constant read the constant itself."""
    for region in plain_regions(model):
        given = {output.name for output in region.graph.output}
        gone = {
            node.output[0]: node
            for node in region.nodes
            if node.op_type == "Identity" and region.constants.get(node.output[0]) and node.output[0] not in given
        }
        drop_nodes(region, {id(node) for node in gone.values()})
        rename_reads(region.graph, {name: _source(name, gone) for name in gone})


def _source(name: str, gone: dict[str, NodeProto]) -> str:
    while name in gone:
        name = gone[name].input[0]
    return name
