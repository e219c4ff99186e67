"""A model in its plain form: what is constant is stored, in the main graph wherever that can be.

One pass per function; each changes the model it is given and computes the same. What remains beside
initializers of the main graph are the branches and bodies of If, Loop and Scan, and tensors that would be larger than
what they are made of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import onnx
from onnx import GraphProto, NodeProto, TensorProto, numpy_helper

from compress_onnx.model.constants import (
    CODECS,
    MOVES,
    QUANTISERS,
    Array,
    Region,
    Term,
    UnknownValueError,
    array,
    inlined,
    regions,
    roots,
    slots,
    value,
)
from compress_onnx.model.forms.unfusing import unfused
from compress_onnx.model.nodes import copied, names_read_in, nested

# Since version 4 an initializer need not be an input too.
_LEAST_IR = 4
# What is computed of less may be large, but not absurd: ConstantOfShape makes any size of eight bytes.
_MOST_BYTES = 2**26


def normalized(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in plain form, which computes the same; a model in that form is equal to its copy.

    Functions are inlined, the runtime's fused operators taken apart, sparse tensors made dense, Constant nodes made initializers, constants computed
    and stored, and initializers are no inputs. Quantized weights stay as they are.
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
    for region in _plain_regions(model):
        made = [unfused(node, region.opset) for node in region.nodes]
        for place in reversed(range(len(made))):
            nodes = made[place]
            if nodes is not None:
                del region.graph.node[place]
                for node in reversed(nodes):
                    region.graph.node.insert(place, node)


def with_dense_tensors(model: onnx.ModelProto) -> None:
    """Make a dense initializer of every sparse one, and a dense tensor of what sparse Constant nodes hold."""
    for graph in [region.graph for region in _plain_regions(model)]:
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
    for region in _plain_regions(model):
        given = {output.name for output in region.graph.output}
        lifted = set()
        for node in region.nodes:
            term = region.terms.get(node.output[0]) if node.op_type == "Constant" else None
            if term is not None and node.output[0] not in given and isinstance(term.stored, TensorProto):
                region.graph.initializer.add().CopyFrom(term.stored)
                region.graph.initializer[-1].name = node.output[0]
                lifted.add(id(node))
        _keep_nodes(region, lifted)


def without_initializer_inputs(model: onnx.ModelProto) -> None:
    """Take initializers out of the inputs, where old versions list them: nothing else is ever fed to them here."""
    stored = {tensor.name for tensor in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in stored]
    if len(kept) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(kept)
    if stored:
        model.ir_version = max(model.ir_version, _LEAST_IR)


def without_constant_identities(model: onnx.ModelProto) -> None:
    """Let what reads an Identity of a constant read the constant itself."""
    for region in _plain_regions(model):
        given = {output.name for output in region.graph.output}
        gone = {
            node.output[0]: node
            for node in region.nodes
            if node.op_type == "Identity" and region.terms.get(node.output[0]) and node.output[0] not in given
        }
        _keep_nodes(region, {id(node) for node in gone.values()})
        _rename_reads(region.graph, {name: _source(name, gone) for name in gone})


def with_stored_constants(model: onnx.ModelProto) -> None:
    """Store what weights, biases and statistics are made of by constant nodes, and drop those nodes and the constants that only they read.

    Left are what is quantized, outputs, and what only moves its sources and is larger, or of which
    another node reads the sources too: one tensor stays one tensor. What is made of one tensor takes its name.
    """
    readers = Counter(names_read_in(model.graph))
    found = list(_plain_regions(model))
    wanted = {*_parameters(found)}
    made: dict[str, str] = {}
    for region in found:
        given = {output.name for output in region.graph.output}
        folded = [
            node
            for node in region.nodes
            if not given & {*node.output} and wanted & {region.terms[name] for name in node.output if name}
            if _is_foldable(region, node, readers)
        ]
        _keep_nodes(region, {id(node) for node in folded})
        read = {*names_read_in(region.graph)}
        for node in folded:
            for name in read.intersection(node.output):
                region.graph.initializer.append(numpy_helper.from_array(_value_of(region, name), name))
                made[name] = _root_name(region.terms[name])
    _drop_unread(model.graph, readers)
    _take_names(model.graph, made)


def _parameters(found: Sequence[Region]) -> Iterator[Term]:
    """Yield the constants that operators with weights and normalizations take, and those these are made of."""
    seen: set[Term] = set()
    for region in found:
        for node in region.nodes:
            if slots(node) or node.op_type == "BatchNormalization":
                pending = [term for name in node.input if name and (term := region.term(name)) is not None]
                while pending:
                    term = pending.pop()
                    if term not in seen:
                        seen.add(term)
                        yield term
                        pending += [one for one in term.inputs if one is not None]


def _is_foldable(region: Region, node: NodeProto, readers: Counter[str]) -> bool:
    terms = [region.terms.get(name) for name in node.output if name]
    if node.op_type in QUANTISERS | {"Constant"}:
        return False
    return bool(terms) and all(term is not None and term.known and _is_worth(term, readers) for term in terms)


def _is_worth(term: Term, readers: Counter[str]) -> bool:
    """Tell whether a constant should be stored as it is."""
    try:
        made = value(term)
        sources = list(_sources(term))
        larger = made.nbytes > sum(value(one).nbytes for one in sources)
    except UnknownValueError:
        return False
    if made.ndim < 2 or not _moves(term):
        return not larger or made.nbytes <= _MOST_BYTES
    return not larger and not any(readers[one.name] > 1 for one in _path(term))


def _moves(term: Term) -> bool:
    return term.stored is None and term.node is not None and term.node.op_type in MOVES | CODECS


def _data(term: Term) -> Iterator[Term]:
    every = term.node is not None and term.node.op_type == "Concat"
    yield from (one for one in (term.inputs if every else term.inputs[:1]) if one is not None)


def _sources(term: Term) -> Iterator[Term]:
    """Yield the constants that others only move to make this one."""
    for one in _data(term):
        yield from _sources(one) if _moves(one) else (one,)


def _path(term: Term) -> Iterator[Term]:
    """Yield the constants between this one and its sources, with those."""
    for one in _data(term):
        yield one
        if _moves(one):
            yield from _path(one)


def _value_of(region: Region, name: str) -> Array:
    term = region.terms[name]
    if term is None:
        raise AssertionError(name)
    return value(term)


def _root_name(term: Term | None) -> str:
    """Return the name of the one stored tensor that a constant is made of, empty where there are several."""
    tensors = roots(term).tensors if term is not None else ()
    return tensors[0].name if len(tensors) == 1 and tensors[0].stored is not None else ""


def _take_names(graph: GraphProto, made: dict[str, str]) -> None:
    """Call what was made of one tensor as that was called, if nothing else is: people know it by that name."""
    alone, known = Counter(made.values()), {*_names_known(graph)}
    names = {name: root for name, root in made.items() if root and alone[root] == 1 and root not in known}
    _rename_stored(graph, names)


def _rename_stored(graph: GraphProto, names: dict[str, str]) -> None:
    gone = {*names, *names.values()}
    for place in reversed(range(len(graph.value_info))):
        if graph.value_info[place].name in gone:
            del graph.value_info[place]
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        for _, inside in nested(node):
            _rename_stored(inside, names)
    _rename_reads(graph, names)


# ------------------------------------------------------------------------------------------ graphs


def _plain_regions(model: onnx.ModelProto) -> Iterator[Region]:
    """Yield the main graph and what is nested in it; functions are left, since they have no initializers."""
    pending = [regions(model)[0]]
    while pending:
        region = pending.pop()
        yield region
        pending += [inside for node in region.nodes for inside in region.inner[id(node)]]


def _keep_nodes(region: Region, gone: set[int]) -> None:
    for place in reversed(range(len(region.nodes))):
        if id(region.nodes[place]) in gone:
            del region.graph.node[place]


def _names_known(graph: GraphProto) -> Iterator[str]:
    """Yield every name that is read or defined in a graph and in what is nested in it."""
    yield from names_read_in(graph)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (value.name for value in graph.input)
    for node in graph.node:
        yield from node.output
        for _, inside in nested(node):
            yield from _names_known(inside)


def _rename_reads(graph: GraphProto, names: dict[str, str]) -> None:
    for node in graph.node if names else ():
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
        for _, inside in nested(node):
            for output in inside.output:
                if output.name in names:
                    output.name = names[output.name]
            _rename_reads(inside, names)


def _source(name: str, gone: dict[str, NodeProto]) -> str:
    while name in gone:
        name = gone[name].input[0]
    return name


def _drop_unread(graph: GraphProto, readers: Counter[str]) -> None:
    """Drop initializers that were read and no longer are, in a graph and in what is nested in it."""
    read = {*names_read_in(graph)}
    for place in reversed(range(len(graph.initializer))):
        name = graph.initializer[place].name
        if readers[name] and name not in read:
            del graph.initializer[place]
    for node in graph.node:
        for _, inside in nested(node):
            _drop_unread(inside, readers)
