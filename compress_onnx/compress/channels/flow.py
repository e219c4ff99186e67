"""What is known while channels are followed through a graph: who carries them, and which axes hold them."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
from onnx import numpy_helper

from compress_onnx.compress.channels.groups import Channels, Labels
from compress_onnx.model import copied

CHANNEL_AXIS = 1


class UnfollowedError(Exception):
    """A node through which channels cannot be followed; what reaches it is kept whole."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resize:
    """A number in the graph that is a count of channels: ``labels`` are the channels it counts."""

    labels: Labels
    node: onnx.NodeProto
    position: int | None = None
    """Where it stands in the shape constant of a Reshape; ``None`` for a convolution's ``group``."""


class Flow:
    """The channels of activations (along axis 1) and of initializers (along any axis) of one model.

    ``filters`` names, for every weight that makes or passes on channels one by one, the axis along
    which its filters lie. Channels that meet something unknown are kept in ``channels``.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.channels = Channels()
        self.filters: dict[str, int] = {}
        self.axes: dict[tuple[str, int], Labels] = {}
        self.resizes: list[Resize] = []
        self.carried: dict[str, Labels] = {}
        self.bound: set[str] = set()
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._fixed: dict[tuple[str, int] | str, str] = {}
        self._shapes = _shapes(model)

    def shape(self, name: str) -> tuple[int | None, ...]:
        """Return the shape of an activation or initializer, ``None`` for a free size."""
        if name in self._stored:
            return tuple(self._stored[name].dims)
        sizes = self._shapes.get(name)
        if sizes is None:
            raise UnfollowedError(f"the shape of {name!r} is not known")
        return sizes

    def is_stored(self, name: str) -> bool:
        """Tell whether a name is an initializer's."""
        return name in self._stored

    def integers(self, name: str) -> list[int]:
        """Return the values of an integer initializer, such as axes or a shape."""
        if name not in self._stored:
            raise UnfollowedError(f"{name!r} is computed")
        return [int(value) for value in numpy_helper.to_array(self._stored[name]).ravel()]

    def weight(self, node: onnx.NodeProto, slot: int = 1) -> str:
        """Return the name of a node's stored weight."""
        name = optional_input(node, slot)
        if name not in self._stored:
            raise UnfollowedError("its weight is computed")
        return name

    def bind(self, name: str, axis: int, labels: Labels | None) -> None:
        """Say that an initializer's axis holds these channels; ``None`` are channels that nobody follows."""
        if labels is not None and len(labels) != self._stored[name].dims[axis]:
            raise UnfollowedError(f"{name!r} does not fit its channels")
        self.bound.add(name)
        if labels is None:
            self._fixed[name, axis] = "its input is not followed"
        elif (name, axis) in self.axes:
            # A shared weight: what holds for one of its uses holds for all.
            self.channels.tie(self.axes[name, axis], labels)
        else:
            self.axes[name, axis] = labels

    def filters_of(self, name: str, axis: int) -> Labels:
        """Return the channels that a weight's filters make, new ones at its first use."""
        if (name, axis) not in self.axes:
            self.axes[name, axis] = self.channels.fresh(self._stored[name].dims[axis])
        self.bound.add(name)
        self.filters[name] = axis
        return self.axes[name, axis]

    def keep(self, name: str, reason: str) -> None:
        """Keep whatever channels an activation or initializer has, whole."""
        if name in self._stored:
            self._fixed.setdefault(name, reason)
        if name in self.carried:
            self.channels.keep(self.carried[name], reason)

    def reason(self, name: str) -> str | None:
        """Return why all filters of a convolution's weight stay, ``None`` where some may go."""
        if name not in self.filters:
            return self._fixed.get(name, "not followed")
        reasons = [self.channels.reason(label) for label in self.axes[name, self.filters[name]].tolist()]
        return None if None in reasons else reasons[0]

    def settle(self) -> None:
        """Keep the channels of every initializer that something unknown uses too."""
        for (name, axis), labels in self.axes.items():
            reason = self._fixed.get(name) or self._fixed.get((name, axis))
            if reason:
                self.channels.keep(labels, reason)


def optional_input(node: onnx.NodeProto, slot: int) -> str:
    """Return the name in a node's input slot, empty where it has none."""
    return node.input[slot] if len(node.input) > slot else ""


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    graph = inferred(model)
    return {
        value.name: tuple(dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }


def inferred(model: onnx.ModelProto) -> onnx.GraphProto:
    """Return the graph with freshly inferred shapes of all activations and without its large weights' numbers."""
    bare = copied(model)
    # Shapes that an earlier tool left behind may be stale.
    del bare.graph.value_info[:]
    for tensor in bare.graph.initializer:
        # Inference reads vectors, such as axes; of the rest the shape is enough, and copies stay small.
        if len(tensor.dims) > 1:
            tensor.CopyFrom(onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims))
    return onnx.shape_inference.infer_shapes(bare, data_prop=True).graph


def positions(flow: Flow, name: str, labels: Labels) -> tuple[int, ...]:
    """Return the sizes behind the batch of an activation that carries ``labels``, all known."""
    sizes = flow.shape(name)[1:]
    known = tuple(size for size in sizes if size is not None)
    if len(known) != len(sizes) or not known or known[0] != len(labels):
        raise UnfollowedError(f"the shape of {name!r} is not known")
    return known


def repeated(labels: Labels, times: int) -> Labels:
    """Return every channel ``times`` times in a row, as flattening or a depthwise multiplier does."""
    return np.repeat(labels, times)
