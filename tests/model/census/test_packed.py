"""Weights in the runtime's own forms, against what the runtime itself multiplies by."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.model.census.packed import (
    block_nonzero,
    block_numbers,
    bnb4_nonzero,
    bnb4_numbers,
    unpacked,
    without_filling,
)

Array = NDArray[Any]
RNG = np.random.default_rng(12)
# K is no multiple of the block: the last one is filled up.
N, K, BLOCK = 5, 40, 16
BLOCKS = 3


def multiplied_by(node: onnx.NodeProto, **tensors: Array) -> Array:
    """Return the matrix (N, K) that ONNX Runtime multiplies with: its answers to the unit vectors."""
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [K, K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [K, N])],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    session = ort.InferenceSession(helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString())
    return np.asarray(session.run(None, {"x": np.eye(K, dtype=np.float32)})[0]).T


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_packed_numbers_are_read_lowest_bits_first(bits: int) -> None:
    numbers = RNG.integers(0, 2**bits, (3, 16))
    weights = 2 ** (bits * np.arange(8 // bits))
    packed = (numbers.reshape(3, -1, 8 // bits) * weights).sum(axis=-1).astype(np.uint8)
    np.testing.assert_array_equal(unpacked(packed, bits), numbers)


def matmul_n_bits(bits: int, inputs: list[str]) -> onnx.NodeProto:
    return helper.make_node("MatMulNBits", inputs, ["y"], domain="com.microsoft", K=K, N=N, bits=bits, block_size=BLOCK)


@pytest.mark.parametrize("points", ["none", "packed", "float"])
def test_blocks_of_four_bits_are_zero_where_the_runtime_multiplies_by_zero(points: str) -> None:
    packed = RNG.integers(0, 256, (N, BLOCKS, BLOCK // 2)).astype(np.uint8)
    scales = RNG.uniform(0.5, 1, N * BLOCKS).astype(np.float32)
    scales[4] = 0
    given: dict[str, Array] = {"b": packed, "scales": scales}
    if points == "packed":
        given["zero"] = RNG.integers(0, 256, N * ((BLOCKS + 1) // 2)).astype(np.uint8)
    elif points == "float":
        given["zero"] = RNG.integers(0, 16, N * BLOCKS).astype(np.float32)
    node = matmul_n_bits(4, ["x", *given])
    wanted = multiplied_by(node, **given)
    found = block_nonzero(node, packed, given.get("zero"), scales)
    np.testing.assert_array_equal(found, wanted != 0)
    assert 0 < np.count_nonzero(~found) < found.size / 2


def test_numbers_of_blocks_are_those_that_the_runtime_scales() -> None:
    packed = RNG.integers(0, 256, (N, BLOCKS, BLOCK // 2)).astype(np.uint8)
    node = matmul_n_bits(4, ["x", "b", "scales"])
    wanted = multiplied_by(node, b=packed, scales=np.ones(N * BLOCKS, np.float32))
    np.testing.assert_array_equal(block_numbers(node, packed).astype(int) - 8, wanted)


def test_without_scales_nothing_is_taken_for_dead() -> None:
    packed = np.full((N, BLOCKS, BLOCK // 2), 0x98, np.uint8)
    found = block_nonzero(matmul_n_bits(4, ["x", "b"]), packed, None, None)
    np.testing.assert_array_equal(found, np.tile([False, True], (N, K // 2)))


@pytest.mark.parametrize("kind", [0, 1], ids=["FP4", "NF4"])
def test_bitsandbytes_are_zero_where_the_runtime_multiplies_by_zero(kind: int) -> None:
    packed = RNG.integers(0, 256, N * K // 2).astype(np.uint8)
    absmax = np.ones(-(-N * K // BLOCK), np.float32)
    node = helper.make_node(
        "MatMulBnb4",
        ["x", "b", "absmax"],
        ["y"],
        domain="com.microsoft",
        K=K,
        N=N,
        block_size=BLOCK,
        quant_type=kind,
    )
    wanted = multiplied_by(node, b=packed, absmax=absmax)
    np.testing.assert_array_equal(bnb4_nonzero(node, packed), wanted != 0)
    numbers = bnb4_numbers(node, packed)
    assert numbers.shape == (N, K)
    # One number stands for one value.
    assert len({*zip(numbers.ravel().tolist(), wanted.ravel().tolist(), strict=True)}) == 16


def blocked(weight: Array, block: int) -> Array:
    """Return a kernel (O, I, h, w) filled up and in the order (O/b, I/b, h, w, b of I, b of O), as NCHWc has it."""
    outputs, inputs, *size = weight.shape
    fill = [(0, -outputs % block), (0, -inputs % block), (0, 0), (0, 0)]
    full = np.pad(weight, fill)
    parts = full.reshape(full.shape[0] // block, block, full.shape[1] // block, block, *size)
    return np.ascontiguousarray(parts.transpose(0, 2, 4, 5, 3, 1)).reshape(full.shape)


@pytest.mark.parametrize("block", [4, 8, 16])
@pytest.mark.parametrize("shape", [(16, 16, 3, 3), (13, 16, 3, 3), (16, 14, 1, 1), (21, 30, 3, 3)])
def test_what_fills_up_a_block_is_no_weight(block: int, shape: tuple[int, ...]) -> None:
    weight = RNG.uniform(0.5, 1, shape).astype(np.float32)
    weight[RNG.random(shape) < 0.3] = 0
    found = without_filling(blocked(weight, block), None)
    assert found.size == weight.size
    np.testing.assert_array_equal(np.sort(found, axis=None), np.sort(weight, axis=None))


def test_a_channel_with_a_bias_is_no_filling() -> None:
    weight = RNG.uniform(0.5, 1, (16, 16, 1, 1)).astype(np.float32)
    weight[13:] = 0
    bias = np.zeros(16, np.float32)
    stored = blocked(weight, 16)
    assert without_filling(stored, bias).size == 13 * 16
    bias[14] = 1
    assert without_filling(stored, bias).size == 15 * 16


@pytest.mark.parametrize("shape", [(15, 3, 3, 3), (16, 8)])
def test_what_lies_in_no_blocks_is_left(shape: tuple[int, ...]) -> None:
    weight = np.zeros(shape, np.float32)
    weight[0] = 1
    assert without_filling(weight, None).size == weight.size


def test_a_whole_block_of_zeros_is_a_pruned_one() -> None:
    weight = RNG.uniform(0.5, 1, (32, 16, 1, 1)).astype(np.float32)
    weight[16:] = 0
    assert without_filling(blocked(weight, 16), None).size == weight.size
