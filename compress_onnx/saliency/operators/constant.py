"""ONNX tensors as PyTorch tensors: exact, whatever type the file stores."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import torch
from onnx import numpy_helper

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
