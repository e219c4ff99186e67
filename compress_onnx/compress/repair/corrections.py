"""Write new channel statistics into a model: BatchNorm's own, or weight rows and biases."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.calibration import Moments, factors
from compress_onnx.compress.layers import (
    Repairable,
    RepairableLayer,
    RepairableNorm,
    array,
    channels,
    repairable_nodes,
    scaled_rows,
    stored,
)
from compress_onnx.model import attribute, copied

_BIAS = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correction:
    """What a layer's output channels are multiplied by and what is added then, (C,) float64 each."""

    factor: NDArray[np.float64]
    shift: NDArray[np.float64]

    def at(self, strength: float) -> Correction:
        """Return the mixture of this correction (1) and none (0): outputs mix likewise.

        >>> half = Correction(factor=np.array([3.0]), shift=np.array([1.0])).at(0.5)
        >>> half.factor.tolist(), half.shift.tolist()
        ([2.0], [0.5])
        """
        return Correction(factor=1 + strength * (self.factor - 1), shift=strength * self.shift)


def correction(target: Moments, measured: Moments) -> Correction:
    """Return what brings a layer's channels from the moments ``measured`` to ``target``.

    >>> one = Moments(mean=np.array([1.0]), variance=np.array([4.0]))
    >>> two = Moments(mean=np.array([5.0]), variance=np.array([1.0]))
    >>> made = correction(one, two)
    >>> made.factor.tolist(), made.shift.tolist()
    ([2.0], [-9.0])
    """
    factor = factors(target.std, measured.std)
    return Correction(factor=factor, shift=target.mean - factor * measured.mean)


def corrected(
    model: onnx.ModelProto, measured: Mapping[str, Moments], corrections: Mapping[str, Correction], *, strength: float
) -> onnx.ModelProto:
    """Return a copy with BatchNorm statistics moved towards ``measured`` and layers corrected.

    Both are keyed by the tensor that was looked at. ``strength`` 0 changes nothing, 1 is the whole
    repair. A layer without a bias gets one.
    """
    copy = copied(model)
    writer = _Writer(copy)
    for repairable in repairable_nodes(copy):
        if isinstance(repairable, RepairableNorm):
            writer.re_estimated(repairable, measured[repairable.key], strength)
        else:
            writer.layer(repairable, corrections[repairable.key].at(strength))
    return copy


def repairable_layers(repairables: Sequence[Repairable]) -> list[RepairableLayer]:
    """Return the layers among repairable nodes."""
    return [repairable for repairable in repairables if isinstance(repairable, RepairableLayer)]


class _Writer:
    """Changes a model in place."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.tensors = stored(model)
        self.taken = set(self.tensors) | {name for node in self.graph.node for name in (*node.input, *node.output)}

    def re_estimated(self, repairable: RepairableNorm, moments: Moments, strength: float) -> None:
        for name, new in zip(repairable.node.input[3:5], (moments.mean, moments.variance), strict=True):
            old = array(self.tensors[name])
            self._store(name, (1 - strength) * old + strength * new.reshape(old.shape))

    def layer(self, repairable: RepairableLayer, change: Correction) -> None:
        tensor = self.tensors[repairable.weight]
        count = channels(repairable.node, tensor)
        rows = scaled_rows(repairable.node, numpy_helper.to_array(tensor), change.factor)
        tensor.CopyFrom(numpy_helper.from_array(rows, tensor.name))
        if repairable.node.op_type == "MatMul":
            self._shift_behind(repairable.node, change.shift)
        else:
            self._shift_bias(repairable.node, change, count)

    def _shift_bias(self, node: onnx.NodeProto, change: Correction, count: int) -> None:
        """Put the new bias under a name of its own: others may read the old one."""
        bias = np.zeros(count)
        if len(node.input) > _BIAS and node.input[_BIAS]:
            bias = bias + attribute(node, "beta", 1.0) * array(self.tensors[node.input[_BIAS]]).ravel()
        name = self._bias_name(node)
        self._store(name, bias * change.factor + change.shift)
        del node.input[_BIAS:]
        node.input.append(name)
        for entry in node.attribute:
            if entry.name == "beta":
                entry.f = 1.0

    def _bias_name(self, node: onnx.NodeProto) -> str:
        old = node.input[_BIAS] if len(node.input) > _BIAS else ""
        readers = sum(list(other.input).count(old) for other in self.graph.node)
        return old if old and readers == 1 else self._fresh(f"{node.input[1]}_bias")

    def _shift_behind(self, node: onnx.NodeProto, shift: NDArray[np.float64]) -> None:
        """Add to the output of a MatMul, in the Add behind it where that is a bias, else in a new one."""
        output = node.output[0]
        bias = self._bias_behind(output, len(shift))
        if bias:
            self._store(bias, array(self.tensors[bias]) + shift)
            return
        raw, name = self._fresh(f"{output}_unshifted"), self._fresh(f"{output}_shift")
        self._store(name, shift)
        node.output[0] = raw
        added = helper.make_node("Add", [raw, name], [output], self._fresh(f"{output}_repair"))
        self.graph.node.insert(list(self.graph.node).index(node) + 1, added)

    def _bias_behind(self, output: str, count: int) -> str:
        """Return the bias that an Add, the only reader of a MatMul, adds; empty where there is none."""
        readers = [node for node in self.graph.node if output in node.input]
        if len(readers) != 1 or readers[0].op_type != "Add" or output in {value.name for value in self.graph.output}:
            return ""
        name = next((name for name in readers[0].input if name != output), "")
        tensor = self.tensors.get(name)
        alone = sum(list(node.input).count(name) for node in self.graph.node) == 1
        fits = tensor is not None and list(tensor.dims) == [count] and tensor.data_type == onnx.TensorProto.FLOAT
        return name if alone and fits else ""

    def _store(self, name: str, values: NDArray[np.float64]) -> None:
        made = numpy_helper.from_array(values.astype(np.float32), name)
        if name in self.tensors:
            self.tensors[name].CopyFrom(made)
            return
        self.graph.initializer.append(made)
        self.tensors[name] = self.graph.initializer[-1]

    def _fresh(self, wish: str) -> str:
        name = wish
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name
