"""Weights in forms of the runtime's own: several to a byte, or reordered for one CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from compress_onnx.model.constants import Array
from compress_onnx.model.nodes import attribute

# How many output channels the runtime keeps side by side, by CPU.
_BLOCKS = (16, 8, 4)
# The entries of bitsandbytes' tables that stand for 0: of FP4 (two zeros), of NF4.
_BNB4_ZEROS = {0: (0, 8), 1: (7,)}


def unpacked(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Return the numbers packed in bytes along the last axis, lowest bits first.

    >>> unpacked(np.array([[0x21, 0x43]], np.uint8), 4).tolist()
    [[1, 2, 3, 4]]
    """
    if bits >= 8:
        return values
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (values[..., None] >> shifts) & np.uint8(2**bits - 1)
    return np.asarray(parts.reshape(*values.shape[:-1], -1), np.uint8)


def block_numbers(node: NodeProto, values: Array) -> NDArray[np.uint8]:
    """Return the (N, K) numbers of a MatMulNBits weight, without what fills its last block up."""
    blocks, inner = _blocks(node)
    numbers = unpacked(values.reshape(_whole(node, "N") * blocks, -1).view(np.uint8), _whole(node, "bits", 4))
    return numbers.reshape(_whole(node, "N"), blocks * inner)[:, : _whole(node, "K")]


def block_nonzero(node: NodeProto, values: Array, point: Array | None, scale: Array | None) -> NDArray[np.bool_]:
    """Return which of the (N, K) weights of a MatMulNBits are not zero.

    Zero points are packed like the weights, row by row, or numbers in a type of their own; without
    them the middle of the range stands for 0.
    """
    blocks, inner = _blocks(node)
    rows, columns, bits = _whole(node, "N"), _whole(node, "K"), _whole(node, "bits", 4)
    points: NDArray[Any] = np.full((rows, blocks), 2 ** (bits - 1))
    if point is not None and point.dtype == np.uint8:
        points = unpacked(point.reshape(rows, -1), bits)[:, :blocks]
    elif point is not None:
        points = point.reshape(rows, blocks).astype(np.float32)
    alive = np.ones((rows, blocks), np.bool_) if scale is None else scale.reshape(rows, blocks).astype(np.float32) != 0
    numbers = block_numbers(node, values)
    return np.asarray((numbers != points.repeat(inner, 1)[:, :columns]) & alive.repeat(inner, 1)[:, :columns])


def _blocks(node: NodeProto) -> tuple[int, int]:
    inner = _whole(node, "block_size")
    return -(-_whole(node, "K") // inner), inner


def _whole(node: NodeProto, name: str, default: int = 0) -> int:
    return int(attribute(node, name, default))


def bnb4_numbers(node: NodeProto, values: Array) -> NDArray[np.uint8]:
    """Return the (N, K) table entries of a MatMulBnb4 weight, the high half of each byte first."""
    raw = values.reshape(-1).view(np.uint8)
    pairs = np.stack([raw >> 4, raw & 15], axis=1).reshape(-1)
    return pairs[: _whole(node, "N") * _whole(node, "K")].reshape(_whole(node, "N"), _whole(node, "K"))


def bnb4_nonzero(node: NodeProto, values: Array) -> NDArray[np.bool_]:
    """Return which of the (N, K) weights of a MatMulBnb4 are not zero."""
    zeros = _BNB4_ZEROS.get(_whole(node, "quant_type"), ())
    return np.isin(bnb4_numbers(node, values), zeros, invert=True)


def without_filling(values: Array, bias: Array | None) -> Array:
    """Return the weight of a reordered convolution without the channels that fill its last block up.

    Filled up are the output channels, as the first axis, and the input channels where those lie in
    blocks. Of channels that hold nothing but zeros, and have no bias, the last ones are taken for
    filling, at most a block less one: there they cannot be told apart from pruned ones.
    """
    outputs, inputs = max((_filling(values, block, bias) for block in _BLOCKS), key=sum)
    return values.reshape(-1)[_kept(values, outputs, inputs)]


def _filling(values: Array, block: int, bias: Array | None) -> tuple[int, int]:
    count = values.shape[0]
    if count % block or values.ndim != 4:
        return 0, 0
    by_output = (values.reshape(count // block, -1, block) != 0).any(axis=1).reshape(-1)
    if bias is not None and bias.size == count:
        by_output = by_output | (bias != 0)
    outputs = _trailing(by_output, block)
    if values.shape[1] % block:
        return outputs, 0
    inner = values.reshape(count // block, values.shape[1] // block, -1, block, block)
    return outputs, _trailing((inner != 0).any(axis=(0, 2, 4)).reshape(-1), block)


def _trailing(alive: NDArray[np.bool_], block: int) -> int:
    dead = int(np.argmax(alive[::-1])) if alive.any() else 0
    return dead if dead < block else 0


def _kept(values: Array, outputs: int, inputs: int) -> slice | NDArray[np.int64]:
    """Return the places of as many elements as the weight has without filling, those that are not zero among them."""
    if not outputs and not inputs:
        return slice(None)
    count = (values.shape[0] - outputs) * (values.shape[1] - inputs) * int(np.prod(values.shape[2:]))
    order = np.argsort(values.reshape(-1) == 0, kind="stable")
    return np.sort(order[:count])
