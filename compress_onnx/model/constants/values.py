"""The values of constants, as the runtime would compute them at load."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.constants.graph_regions import Constant, Stored
from compress_onnx.model.nodes import attribute

Array: TypeAlias = NDArray[Any]
# What the reference implementation raises where it cannot compute a node.
_UNCOMPUTED = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RuntimeError)
_UNCOMPUTED_INPUT = (TypeError, ValueError, onnx.checker.ValidationError)


class UnknownValueError(Exception):
    """A constant whose value this module cannot compute."""


def array(stored: Stored) -> Array:
    """Return a stored tensor's values, dense."""
    if isinstance(stored, TensorProto):
        return np.asarray(numpy_helper.to_array(stored))
    return _dense(stored)


def _dense(sparse: SparseTensorProto) -> Array:
    values, places = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    full = np.zeros(tuple(sparse.dims), values.dtype)
    if places.ndim == 2:
        full[tuple(places.T)] = values
    else:
        full.reshape(-1)[places] = values
    return full


def value(constant: Constant) -> Array:
    """Return a constant's values.

    Errors
    ------
    UnknownValueError
        if it depends on what is computed when the model runs, or on an operator that is not known here.
    """
    return _value(constant, {})


def _value(constant: Constant, seen: dict[int, Array]) -> Array:
    if id(constant) not in seen:
        seen[id(constant)] = _found(constant, seen)
    return seen[id(constant)]


def _found(constant: Constant, seen: dict[int, Array]) -> Array:
    if constant.stored is not None:
        return array(constant.stored)
    if constant.node is None or not constant.known:
        raise UnknownValueError(constant.name)
    inputs = [None if one is None else _value(one, seen) for one in constant.inputs]
    return applied(constant.node, inputs, opset=constant.region.opset)[constant.output]


def applied(node: NodeProto, inputs: Sequence[Array | None], *, opset: int) -> Sequence[Array]:
    """Return what a node makes of arrays."""
    if node.op_type in _OWN:
        return [np.asarray(_OWN[node.op_type](node, inputs))]
    try:
        names = [name for name, given in zip(node.input, inputs, strict=True) if given is not None]
        feed = dict(zip(names, [given for given in inputs if given is not None], strict=True))
        return [np.asarray(output) for output in ReferenceEvaluator(node, opsets={"": opset}).run(None, feed)]
    except (*_UNCOMPUTED, *_UNCOMPUTED_INPUT) as error:
        raise UnknownValueError(node.op_type) from error


def _numbers(node: NodeProto, name: str, inputs: Sequence[Array | None]) -> list[int] | None:
    """Return what old operator sets give as an attribute and new ones as the second input."""
    given = inputs[1] if len(inputs) > 1 else None
    return attribute(node, name, None) if given is None else [int(one) for one in given.reshape(-1)]


def _first(inputs: Sequence[Array | None]) -> Array:
    if inputs[0] is None:
        raise UnknownValueError
    return inputs[0]


def _reshape(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    data, wanted = _first(inputs), _numbers(node, "shape", inputs)
    if wanted is None:
        raise UnknownValueError(node.op_type)
    sizes = [data.shape[place] if size == 0 else size for place, size in enumerate(wanted)]
    return data.reshape(wanted if attribute(node, "allowzero", 0) else sizes)


def _transpose(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    return np.ascontiguousarray(_first(inputs).transpose(attribute(node, "perm", None)))


def _squeeze(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    axes = _numbers(node, "axes", inputs)
    return np.squeeze(_first(inputs), None if axes is None else tuple(axes))


def _unsqueeze(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    return np.expand_dims(_first(inputs), tuple(_numbers(node, "axes", inputs) or ()))


def _flatten(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    data = _first(inputs)
    axis = attribute(node, "axis", 1)
    return data.reshape(int(np.prod(data.shape[: axis if axis >= 0 else axis + data.ndim])), -1)


def _concat(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    return np.concatenate([one for one in inputs if one is not None], attribute(node, "axis", 1))


def _one_hot(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    """Return 1 or what stands for it where an index is; the reference takes a depth of no shape but ()."""
    places, depth, values = inputs
    if places is None or depth is None or values is None:
        raise UnknownValueError(node.op_type)
    count = int(depth.reshape(-1)[0])
    hot = np.arange(count) == (places.astype(np.int64) % count)[..., None]
    inside = ((places >= -count) & (places < count))[..., None]
    axis = attribute(node, "axis", -1)
    return np.moveaxis(np.where(hot & inside, values[1], values[0]), -1, axis)


def _identity(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    del node
    return _first(inputs)


# --------------------------------------------------------------------------------- quantization


def spread(node: NodeProto, parameter: Array, shape: tuple[int, ...]) -> Array:
    """Return scales or zero points in a shape that broadcasts against the tensor of ``shape`` they belong to."""
    if parameter.size == 1:
        return parameter.reshape(())
    axis = attribute(node, "axis", 1) % max(len(shape), 1)
    if parameter.ndim == 1:
        return parameter.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    block = attribute(node, "block_size", 0)
    return parameter.repeat(block, axis)[(*[slice(None)] * axis, slice(shape[axis]))] if block else parameter


def _dequantized(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    data, scale = _first(inputs), inputs[1]
    if scale is None:
        raise UnknownValueError(node.op_type)
    centered = data.astype(np.float32) - shift(node, inputs)
    return np.asarray(centered * spread(node, scale, data.shape).astype(np.float32), dtype=scale.dtype)


def shift(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    """Return the zero points of a DequantizeLinear or QuantizeLinear, in a shape that broadcasts."""
    point = inputs[2] if len(inputs) > 2 else None
    return np.zeros((), np.float32) if point is None else spread(node, point, _first(inputs).shape).astype(np.float32)


def _quantized(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
    data, scale = _first(inputs).astype(np.float32), inputs[1]
    kind = attribute(node, "output_dtype", 0) or TensorProto.UINT8
    target = inputs[2].dtype if len(inputs) > 2 and inputs[2] is not None else helper.tensor_dtype_to_np_dtype(kind)
    if scale is None or "float" in target.name:
        raise UnknownValueError(node.op_type)
    low, high = integer_range(target)
    steps = np.rint(data / spread(node, scale, data.shape).astype(np.float32)) + shift(node, inputs)
    return np.asarray(np.clip(steps, low, high).astype(target))


def integer_range(target: np.dtype[Any]) -> tuple[int, int]:
    """Return the least and largest number of an integer type, those below 8 bits too.

    >>> integer_range(np.dtype("int8"))
    (-128, 127)
    """
    bits = int("".join(letter for letter in target.name if letter.isdigit()))
    return (0, 2**bits - 1) if target.name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _guarded(function: Callable[[NodeProto, Sequence[Array | None]], Array]) -> Any:
    @functools.wraps(function)
    def guarded(node: NodeProto, inputs: Sequence[Array | None]) -> Array:
        try:
            return function(node, inputs)
        except _UNCOMPUTED_INPUT as error:
            raise UnknownValueError(node.op_type) from error

    return guarded


_OWN: dict[str, Callable[[NodeProto, Sequence[Array | None]], Array]] = {
    "Concat": _guarded(_concat),
    "DequantizeLinear": _guarded(_dequantized),
    "Flatten": _guarded(_flatten),
    "Identity": _guarded(_identity),
    "OneHot": _guarded(_one_hot),
    "QuantizeLinear": _guarded(_quantized),
    "Reshape": _guarded(_reshape),
    "Squeeze": _guarded(_squeeze),
    "Transpose": _guarded(_transpose),
    "Unsqueeze": _guarded(_unsqueeze),
}
