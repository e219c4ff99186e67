"""What a converter sees of one ONNX node, and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from compress_onnx.errors import UnsupportedOperatorError

T = TypeVar("T", int, float, str, list[int], list[float])
_REMEDY = "Saliency is left out for this model."
_CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
# Integers without a scale beside them, or ranges that every batch chooses anew: no float value stands for them.
_INTEGER_ONLY = frozenset({"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"})


class Node:
    """One ONNX node: operator, attributes, and which of its inputs are known beforehand.

    ``operands`` has one entry per input: the constant, or ``None`` where the value is computed when
    the model runs (or the optional input is absent). A constant that a converter asks for with
    :meth:`constant` or :meth:`optional` is built into the module; all other inputs reach the
    module's ``forward`` in their order.
    """

    def __init__(self, proto: onnx.NodeProto, operands: Sequence[Constant | None], opset: int) -> None:
        self.operator = proto.op_type
        self.name = proto.name or (proto.output[0] if proto.output else "")
        self.opset = opset
        self.outputs = len(proto.output)
        self._present = [bool(name) for name in proto.input]
        self._operands = tuple(operands)
        self._attributes: dict[str, Any] = {
            entry.name: onnx.helper.get_attribute_value(entry) for entry in proto.attribute
        }
        self._built_in: set[int] = set()

    def has(self, slot: int) -> bool:
        """Tell whether an input is given at all."""
        return slot < len(self._present) and self._present[slot]

    def known(self, slot: int) -> Constant | None:
        """Return an input's constant without building it in, ``None`` if it is computed or absent."""
        return self._operands[slot] if slot < len(self._operands) else None

    def constant(self, slot: int) -> torch.Tensor:
        """Return an input that must be constant, and build it in."""
        constant = self.known(slot)
        if constant is None:
            raise self.unsupported(f"input {slot} that is computed, not constant")
        self._built_in.add(slot)
        return constant.tensor

    def optional(self, slot: int) -> torch.Tensor | None:
        """Return an input that must be constant or absent, and build it in."""
        return self.constant(slot) if self.has(slot) else None

    def arguments(self) -> list[int]:
        """Return the input slots that ``forward`` takes, absent ones before the last included."""
        passed = [slot for slot, present in enumerate(self._present) if present and slot not in self._built_in]
        return [slot for slot in range(max(passed, default=-1) + 1) if slot not in self._built_in]

    def attribute(self, name: str, default: T) -> T:
        """Return an attribute of the default's type, the default if the node leaves it out."""
        value: Any = self._attributes.get(name, default)
        plain: Any = value.decode() if isinstance(value, bytes) else value
        return cast("T", plain)

    def raw(self, name: str) -> Any:
        """Return an attribute as the file holds it, ``None`` if the node leaves it out."""
        return self._attributes.get(name)

    def axes(self, slot: int) -> tuple[int, ...] | None:
        """Return ``axes``: an attribute in older opsets, a constant input in newer ones."""
        if "axes" in self._attributes:
            return tuple(self._attributes["axes"])
        axes = self.optional(slot)
        return None if axes is None else tuple(axes.flatten().tolist())

    def unsupported(self, what: str) -> UnsupportedOperatorError:
        """Return the error that names this operator, the node, and what of it is not handled."""
        return UnsupportedOperatorError(
            "an operator that the PyTorch twin computes",
            f"{self.operator} with {what}",
            where=f"node {self.name!r}",
            remedy=_REMEDY,
        )


Converter: TypeAlias = Callable[[Node], nn.Module]


def unknown_operator(operator: str, name: str) -> UnsupportedOperatorError:
    """Return the error for an operator that is not in the table.

    >>> str(unknown_operator("Loop", "l0")).split(" (")[0]
    'Expected an operator that the PyTorch twin computes, got Loop, which is control flow'
    """
    kind = ", which is control flow" if operator in _CONTROL_FLOW else ""
    advice = f"Quantize in QDQ form; {_REMEDY[0].lower()}{_REMEDY[1:]}" if operator in _INTEGER_ONLY else _REMEDY
    return UnsupportedOperatorError(
        "an operator that the PyTorch twin computes", f"{operator}{kind}", where=f"node {name!r}", remedy=advice
    )


class Function(nn.Module):
    """A module that calls a function without state of its own."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: torch.Tensor | None) -> Any:
        """Return the function of the node's inputs."""
        return self.function(*values)


def function(chosen: Callable[..., Any]) -> Converter:
    """Return a converter for an operator without attributes that is one function of its inputs."""
    return lambda _: Function(chosen)


def module(chosen: Callable[[], nn.Module]) -> Converter:
    """Return a converter for an operator without attributes that is one of PyTorch's modules."""
    return lambda _: chosen()


def frozen(values: torch.Tensor) -> nn.Parameter:
    """Return weights as a parameter without gradient: only gradients of the image are asked for.

    Weights are parameters and every other constant is a buffer, so that re-drawing the weights
    finds exactly them.
    """
    return nn.Parameter(values.clone(), requires_grad=False)


_T = onnx.TensorProto

# PyTorch computes little in unsigned types wider than 8 bits and nothing in 4 bits: such values are
# held, without loss, in the next wider type that it computes in.
_HELD_AS: dict[int, torch.dtype] = {
    _T.FLOAT: torch.float32,
    _T.DOUBLE: torch.float64,
    _T.FLOAT16: torch.float16,
    _T.BOOL: torch.bool,
    _T.INT4: torch.int8,
    _T.UINT4: torch.uint8,
    _T.INT8: torch.int8,
    _T.UINT8: torch.uint8,
    _T.INT16: torch.int16,
    _T.UINT16: torch.int32,
    _T.INT32: torch.int32,
    _T.UINT32: torch.int64,
    _T.INT64: torch.int64,
}
_ELEMENT_OF = {
    held: element for element, held in _HELD_AS.items() if element not in {_T.INT4, _T.UINT4, _T.UINT16, _T.UINT32}
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value known before the model runs, and the ONNX element type it is stored in."""

    tensor: torch.Tensor
    element_type: int


def torch_type(element_type: int) -> torch.dtype | None:
    """Return the type that holds values of an ONNX element type without loss, ``None`` if there is none.

    >>> torch_type(onnx.TensorProto.INT4)
    torch.int8
    """
    return _HELD_AS.get(element_type)


def type_name(element_type: int) -> str:
    """Return an ONNX element type's name in small letters.

    >>> type_name(onnx.TensorProto.BFLOAT16)
    'bfloat16'
    """
    return str(_T.DataType.Name(element_type)).lower()


def stored(proto: onnx.TensorProto) -> Constant | None:
    """Return a stored tensor as a constant, ``None`` if its type has no exact counterpart.

    >>> nibbles = onnx.helper.make_tensor("w", onnx.TensorProto.INT4, [3], [-8, 0, 7])
    >>> stored(nibbles).tensor
    tensor([-8,  0,  7], dtype=torch.int8)
    """
    held = _HELD_AS.get(proto.data_type)
    if held is None:
        return None
    array = numpy_helper.to_array(proto)
    wide = array.astype(str(held).removeprefix("torch."))
    # A copy: NumPy may hand out the file's own read-only bytes.
    return Constant(torch.from_numpy(np.array(wide, order="C")), proto.data_type)


def computed(tensor: torch.Tensor) -> Constant:
    """Return a tensor that was computed from constants as a constant itself.

    >>> computed(torch.tensor(1.5)).element_type == onnx.TensorProto.FLOAT
    True
    """
    return Constant(tensor, _ELEMENT_OF[tensor.dtype])
