"""Where a network's channel statistics can be put right: BatchNorms, and weighted layers without one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compress_onnx.model import attribute, names_read, prunable_initializers

_CHANNELS_FIRST = frozenset({"Conv", "ConvTranspose"})
_LAYERS = _CHANNELS_FIRST | {"Gemm", "MatMul"}
_MEAN, _VARIANCE = 3, 4
_FLOAT = onnx.TensorProto.FLOAT


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepairableNorm:
    """A BatchNormalization with statistics of its own: ``node`` is that of the model, not a copy."""

    node: onnx.NodeProto

    @property
    def key(self) -> str:
        """Name the tensor whose statistics are looked at: what goes into the BatchNorm."""
        return str(self.node.input[0])

    @property
    def channels_first(self) -> bool:
        """Tell that the channels are axis 1."""
        return True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepairableLayer:
    """A Conv, ConvTranspose, Gemm or MatMul whose output no BatchNorm renormalizes.

    ``node`` is that of the model, not a copy; ``weight`` names its float32 initializer, used by this node alone.
    """

    node: onnx.NodeProto
    weight: str

    @property
    def key(self) -> str:
        """Name the tensor whose statistics are looked at: the layer's output."""
        return str(self.node.output[0])

    @property
    def channels_first(self) -> bool:
        """Tell whether the channels are axis 1 (convolutions) or the last axis."""
        return self.node.op_type in _CHANNELS_FIRST


Repairable = RepairableNorm | RepairableLayer


def stored(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Return the initializers by name: the model's, not copies."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def repairable_nodes(model: onnx.ModelProto) -> tuple[Repairable, ...]:
    """Return the BatchNorms and layers whose channel statistics can be put right, in graph order.

    Left out, as one set of numbers could not serve them: weights or statistics that several nodes
    share, weights that are not float32 or empty, and biases that are computed or differ by sample.
    """
    uses = Counter(name for node in model.graph.node for name in names_read(node))
    uses.update(value.name for value in model.graph.output)
    tensors = stored(model)
    norms = {id(node): RepairableNorm(node=node) for node in model.graph.node if _is_norm(node, tensors, uses)}
    # Where the BatchNorm behind a layer is its only reader, the BatchNorm alone puts the channels right.
    served = {repairable.key for repairable in norms.values() if uses[repairable.key] == 1}
    free = {name for name, tensor in prunable_initializers(model).items() if _own(tensor, uses)}
    layers = {id(node): _layer(node, free, tensors) for node in model.graph.node if served.isdisjoint(node.output[:1])}
    both = (norms.get(id(node)) or layers.get(id(node)) for node in model.graph.node)
    return tuple(repairable for repairable in both if repairable is not None)


def _own(tensor: onnx.TensorProto | None, uses: Mapping[str, int]) -> bool:
    return tensor is not None and tensor.data_type == _FLOAT and uses[tensor.name] == 1 and 0 not in tensor.dims


def _is_norm(node: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto], uses: Mapping[str, int]) -> bool:
    if node.op_type != "BatchNormalization" or len([name for name in node.output if name]) != 1:
        return False
    affine = all(name in tensors and tensors[name].data_type == _FLOAT for name in node.input[1:_MEAN])
    return affine and all(_own(tensors.get(name), uses) for name in node.input[_MEAN : _VARIANCE + 1])


def _layer(
    node: onnx.NodeProto, free: Iterable[str], tensors: Mapping[str, onnx.TensorProto]
) -> RepairableLayer | None:
    if node.op_type not in _LAYERS or len(node.input) < 2 or node.input[1] not in free:
        return None
    weight = tensors[node.input[1]]
    if node.op_type == "MatMul" and len(weight.dims) != 2:
        return None
    return RepairableLayer(node=node, weight=weight.name) if _bias_is_a_vector(node, weight, tensors) else None


def _bias_is_a_vector(node: onnx.NodeProto, weight: onnx.TensorProto, tensors: Mapping[str, onnx.TensorProto]) -> bool:
    if len(node.input) < 3 or not node.input[2]:
        return True
    bias = tensors.get(node.input[2])
    if bias is None or bias.data_type != _FLOAT:
        return False
    return int(np.prod(bias.dims)) in {1, channels(node, weight)} and all(size == 1 for size in bias.dims[:-1])


def channels(node: onnx.NodeProto, weight: onnx.TensorProto) -> int:
    """Return how many output channels a layer has."""
    if node.op_type == "ConvTranspose":
        return int(weight.dims[1] * attribute(node, "group", 1))
    return int(weight.dims[0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1])


def scaled_rows(node: onnx.NodeProto, weight: NDArray[np.float32], factors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the weights with every output channel times its factor (C_out,); zeros stay zero.

    >>> node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    >>> scaled_rows(node, np.array([[1, 2], [0, 3]], np.float32), np.array([1, 10.0])).tolist()
    [[1.0, 20.0], [0.0, 30.0]]
    """
    if node.op_type == "ConvTranspose":
        # (C_in, C_out / groups, ...): the rows of one group's inputs feed that group's outputs.
        per_group = factors.reshape(attribute(node, "group", 1), 1, -1)
        split = weight.reshape(
            attribute(node, "group", 1), weight.shape[0] // attribute(node, "group", 1), weight.shape[1], -1
        )
        return np.asarray(split * per_group[..., None], dtype=np.float32).reshape(weight.shape)
    axis = 0 if node.op_type == "Conv" or attribute(node, "transB", 0) else weight.ndim - 1
    return np.asarray(
        weight * factors.reshape([-1 if place == axis else 1 for place in range(weight.ndim)]), dtype=np.float32
    )


def array(tensor: onnx.TensorProto) -> NDArray[np.float64]:
    """Return an initializer's numbers in float64."""
    return numpy_helper.to_array(tensor).astype(np.float64)
