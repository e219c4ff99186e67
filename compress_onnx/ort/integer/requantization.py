"""From sums of raw products to what an integer operator gives, rounded as the runtime rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.ort.integer.arithmetic import Levels
from compress_onnx.ort.integer.kernels import CONVOLUTIONS, IntegerNode

Given = Callable[[int | None], NDArray[Any] | None]


def result_of(node: IntegerNode, raw: NDArray[np.int64], levels: Levels, given: Given) -> NDArray[Any]:
    """Return the output of an integer node, from its sums of raw products.

    ``given`` answers with an input by its slot, ``None`` where it is absent. Zero points are taken
    off the sums, the int32 bias is added, and the sum is multiplied by one float32 factor per
    channel; a quantized result is clipped, rounded half to even and moved to its zero point.
    """
    sums = raw - zero_point_share(node, levels, given)
    if node.op in {"MatMulInteger", "ConvInteger"}:
        return sums.astype(np.int32)
    bias, step = given(node.slots.bias), given(node.slots.result_scale)
    if bias is not None and bias.dtype == np.int32:
        sums = sums + along_channels(node, bias, sums.ndim).astype(np.int64)
    scaled = sums.astype(np.int32).astype(np.float32) * along_channels(node, _factor(node, given), sums.ndim)
    if step is not None:
        return _quantized(scaled, given(node.slots.result_zero))
    float_bias = bias is not None and bias.dtype != np.int32
    return np.asarray(scaled + bias if float_bias else scaled)


def _factor(node: IntegerNode, given: Given) -> NDArray[np.float32]:
    """Return what the sums are multiplied by, in the runtime's order of float32 operations."""
    step, scales, out = (
        given(slot) for slot in (node.slots.activation_scale, node.slots.weight_scale, node.slots.result_scale)
    )
    factor = np.float32(node.attributes.get("alpha", 1.0)) * np.asarray(step) * np.asarray(scales)
    return np.asarray(factor if out is None else factor / out)


def _quantized(scaled: NDArray[np.float32], point: NDArray[Any] | None) -> NDArray[Any]:
    zero = np.zeros((), np.uint8) if point is None else point.reshape(())
    limits, shift = np.iinfo(zero.dtype), int(zero)
    return np.asarray((np.rint(np.clip(scaled, limits.min - shift, limits.max - shift)) + shift).astype(zero.dtype))


def zero_point_share(node: IntegerNode, levels: Levels, given: Given) -> NDArray[np.int64]:
    """Return how much of the sums of raw products the zero points make: broadcasts against the output."""
    zero, weight_zero = given(node.slots.activation_zero), given(node.slots.weight_zero)
    point = 0 if zero is None else int(zero.reshape(-1)[0])
    weights = node.weights.astype(np.int64)
    axes = levels.ndim
    share = point * along_channels(node, weights.sum(axis=1).reshape(-1), axes)
    if weight_zero is None or not weight_zero.any():
        return share
    points = along_channels(node, weight_zero.astype(np.int64).reshape(-1), axes)
    return np.asarray(share + points * (node.totals(levels, point) - point * weights.shape[1]))


def along_channels(node: IntegerNode, values: NDArray[Any], axes: int) -> NDArray[Any]:
    """Return one value per channel, or one for all, so that it broadcasts against the output."""
    flat = np.asarray(values).reshape(-1)
    if flat.size == 1 or node.op not in CONVOLUTIONS or node.channels_last:
        return flat
    return flat.reshape(-1, *[1] * (axes - 2))
