"""Channels that hardly vary, read by weights that make up for it: brought to the strength of the others.

Where a filter has 1e-3 or 1e-12 of the others' weights, its channel is its bias and a faint variation.
One scale for the whole tensor rounds the variation away, and the large weights that were
to bring it back take the resolution of all others. The same function is computed by a filter scaled
up, without the constant, and by readers scaled down, with the constant in their bias: cross-layer
equalization and bias absorption (Nagel et al. 2019, sections 4.1 and 4.2), for such channels alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.compress.layers.readers import Graph, Reader, Readers
from compress_onnx.model import copied
from compress_onnx.ort import tensor_runner

# A layer is looked at if one of its filters has less than this share of the largest one's norm.
_FAINT = 0.02
# A channel is faint if its readers' weights are this many times those of the quarter read least, as in no trained
# network of models/, and it reaches less than this share of what a quarter of the channels reach.
_LOUD = 3.0
_SHORT = 0.5
# Share of the seen variation kept as room below its minimum: other images go a little further.
_ROOM = 0.25
_BIAS = 2
# Dimensions of a weight whose inputs are images.
_IMAGES = 4
# Share of a value that float32 cannot tell from rounding.
_ROUNDING = 2.0**-22


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layer:
    """A convolution, which of its channels (C,) are read loudly, and who reads them."""

    node: onnx.NodeProto
    loud: NDArray[np.bool_]
    readers: Readers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """Smallest and largest value (C,) of each channel on the calibration images."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strengthened:
    """A model and the names of its ``delicate`` weights: inputs that were faint have large means now."""

    model: onnx.ModelProto
    delicate: frozenset[str] = frozenset()


def strengthened(model: onnx.ModelProto, batches: Iterable[NDArray[np.float32]]) -> Strengthened:
    """Return a model of the same function on inputs like the batches (B, C, H, W); itself if no channel is faint.

    The batches are gone through only where channels are faint, to find what is constant in them.
    """
    copy = copied(model)
    layers = list(_faint_layers(copy))
    if not layers:
        return Strengthened(model=model)
    seen = _extremes(model, [layer.node.output[0] for layer in layers], batches)
    writer = _Writer(copy.graph)
    for layer in layers:
        writer.strengthen(layer, seen[layer.node.output[0]])
    delicate = frozenset(reader.node.input[1] for layer in layers for reader in layer.readers.layers)
    return Strengthened(model=copy, delicate=delicate)


def _faint_layers(model: onnx.ModelProto) -> Iterator[_Layer]:
    graph = Graph(model)
    for node in model.graph.node:
        if not _is_plain(node, graph):
            continue
        channels = graph.stored[node.input[1]].dims[0]
        readers = graph.readers(node.output[0], channels)
        if readers is None:
            continue
        read = _read(graph, readers, channels)
        loud = read > _LOUD * np.quantile(read, 0.25)
        # A layer without such filters is quantized as ever, whoever reads it.
        if (loud & _left_with_bias(graph, node)).any():
            yield _Layer(node=node, loud=loud, readers=readers)


def _left_with_bias(graph: Graph, node: onnx.NodeProto) -> NDArray[np.bool_]:
    """Tell which channels (C,) are hardly more than their bias."""
    filters = _norms(_array(graph.stored[node.input[1]]), 0)
    biases = np.abs(_array(graph.stored[node.input[_BIAS]])) if len(node.input) > _BIAS else np.zeros(len(filters))
    return np.asarray((filters < _FAINT * filters.max(initial=0)) & (biases > filters))


def _is_plain(node: onnx.NodeProto, graph: Graph) -> bool:
    """Tell whether a node is a convolution of images with a weight, and bias if any, that are stored for it alone."""
    if node.op_type != "Conv" or not all(name in graph.stored and graph.uses[name] == 1 for name in node.input[1:]):
        return False
    return len(graph.stored[node.input[1]].dims) == _IMAGES


def _read(graph: Graph, readers: Readers, channels: int) -> NDArray[np.float64]:
    """Return the largest norm (C,) of weights that read each channel."""
    norms = [_norms(_by_channel(graph, reader, channels), 0) for reader in readers.layers]
    return np.asarray(np.max(norms, axis=0), dtype=np.float64)


def _by_channel(graph: Graph, reader: Reader, channels: int) -> NDArray[np.float64]:
    values = np.moveaxis(_array(graph.stored[reader.node.input[1]]), reader.axis, 0)
    return values.reshape(channels, -1)


def _norms(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    return np.asarray(np.sqrt(np.einsum("rd,rd->r", rows, rows)))


def _array(tensor: onnx.TensorProto) -> NDArray[np.float64]:
    return numpy_helper.to_array(tensor).astype(np.float64)


def _extremes(model: onnx.ModelProto, names: list[str], batches: Iterable[NDArray[np.float32]]) -> dict[str, _Seen]:
    """Return the extremes of each channel of the named tensors (N, C, ...)."""
    probe = copied(model)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    run = tensor_runner(probe, names)
    extremes: dict[str, _Seen] = {}
    for batch in batches:
        for name, values in zip(names, run(batch), strict=True):
            rows = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1).astype(np.float64)
            low, high = rows.min(axis=1), rows.max(axis=1)
            before = extremes.get(name, _Seen(low=low, high=high))
            extremes[name] = _Seen(low=np.minimum(before.low, low), high=np.maximum(before.high, high))
    return extremes


class _Writer:
    """Changes a graph in place."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.stored = {tensor.name: tensor for tensor in graph.initializer}

    def strengthen(self, layer: _Layer, seen: _Seen) -> None:
        constants = np.where(layer.loud, _constants(seen, activated=layer.readers.activated), 0.0)
        factors = _factors(layer, seen, constants)
        constants = np.where(factors != 1, constants, 0.0)
        filters = _norms(_array(self.stored[layer.node.input[1]]), 0)
        self._shift(layer.node, -constants, len(constants))
        for name in layer.node.input[1:3]:
            values = _array(self.stored[name])
            self._store(name, values * factors.reshape(-1, *[1] * (values.ndim - 1)))
        for reader in layer.readers.layers:
            # A filter of zeros is its constant, and leaves nothing to read.
            silent = (factors != 1) & (filters == 0)
            self._weaken(reader, constants, np.where(silent, 0.0, 1 / factors))

    def _weaken(self, reader: Reader, constants: NDArray[np.float64], factors: NDArray[np.float64]) -> None:
        """Divide what reads each channel, and add what the constants gave to the bias."""
        name = reader.node.input[1]
        values = np.moveaxis(_array(self.stored[name]), reader.axis, 0)
        by_channel = values.reshape(len(constants), -1, *values.shape[1:])
        # Behind the channel's own values come the outputs, of a Conv before its kernel.
        given = np.tensordot(constants, by_channel.sum(axis=1), 1)
        outputs = given.shape[0]
        self._shift(reader.node, given.reshape(outputs, -1).sum(axis=1), outputs)
        scaled = by_channel * factors.reshape(-1, *[1] * (by_channel.ndim - 1))
        self._store(name, np.moveaxis(scaled.reshape(values.shape), 0, reader.axis))

    def _shift(self, node: onnx.NodeProto, change: NDArray[np.float64], count: int) -> None:
        if node.op_type == "MatMul":
            node.op_type = "Gemm"
        if len(node.input) <= _BIAS:
            node.input.append(f"{node.name}/constant")
            self._store(node.input[_BIAS], change)
            return
        self._store(node.input[_BIAS], np.broadcast_to(_array(self.stored[node.input[_BIAS]]), (count,)) + change)

    def _store(self, name: str, values: NDArray[np.float64]) -> None:
        with np.errstate(under="ignore"):
            made = numpy_helper.from_array(np.ascontiguousarray(values).astype(np.float32), name)
        if name not in self.stored:
            self.graph.initializer.append(made)
            self.stored[name] = self.graph.initializer[-1]
            return
        self.stored[name].CopyFrom(made)


def _constants(seen: _Seen, *, activated: bool) -> NDArray[np.float64]:
    """Return what to take out of each channel (C,) with these extremes.

    Behind an activation only from channels that are always positive, and not below zero.
    """
    wanted = seen.low - _ROOM * (seen.high - seen.low)
    return np.where(seen.low > 0, np.maximum(wanted, 0.0), 0.0) if activated else wanted


def _factors(layer: _Layer, seen: _Seen, constants: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by what each channel (C,) reaches as far as others do; 1 for those that are not faint, or always zero."""
    floor = np.maximum(seen.low, 0.0) if layer.readers.activated else seen.low
    usual = float((seen.high - floor).max())
    # What float32 rounds away is no variation.
    reach = seen.high - constants + _ROUNDING * np.maximum(np.abs(seen.high), np.abs(seen.low))
    faint = layer.loud & (seen.high >= constants) & (reach > 0) & (reach < _SHORT * usual)
    return np.where(faint, usual / np.where(faint, reach, 1.0), 1.0)
