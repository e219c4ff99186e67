"""How channels pass through operators that join, flatten, reshape or reduce."""

from __future__ import annotations

import math

import numpy as np
import onnx

from compress_onnx.compress.channels.flow import (
    CHANNEL_AXIS,
    Flow,
    Resize,
    UnfollowedError,
    optional_input,
    positions,
    repeated,
)
from compress_onnx.compress.channels.groups import Labels
from compress_onnx.model import attribute


def concat(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """Put channels side by side; an input that nobody follows keeps its places."""
    if not any(name in flow.carried for name in node.input):
        return None
    rank = len(flow.shape(node.output[0]))
    if attribute(node, "axis", 0) % rank != CHANNEL_AXIS:
        raise UnfollowedError("joined along another axis than the channels")
    return np.concatenate([_labels_or_places(flow, name) for name in node.input])


def _labels_or_places(flow: Flow, name: str) -> Labels:
    if name in flow.carried:
        return flow.carried[name]
    size = flow.shape(name)[CHANNEL_AXIS]
    if size is None:
        raise UnfollowedError(f"the shape of {name!r} is not known")
    places = flow.channels.fresh(size)
    flow.channels.keep(places, f"joined from {name!r}, which is not followed")
    return places


def flatten(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """Turn each channel into H*W columns."""
    name, labels = node.input[0], flow.carried.get(node.input[0])
    if labels is None:
        return None
    sizes = positions(flow, name, labels)
    if attribute(node, "axis", 1) % (len(sizes) + 1) != CHANNEL_AXIS:
        raise UnfollowedError("flattened at another axis than the channels")
    return repeated(labels, math.prod(sizes[1:]))


def reshape(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """Flatten, or change what lies behind the channels; the shape constant will be updated."""
    name, labels = node.input[0], flow.carried.get(node.input[0])
    if labels is None:
        return None
    sizes = positions(flow, name, labels)
    wanted = flow.integers(node.input[1])
    behind = _behind_batch(flow.shape(name)[0], sizes, wanted, attribute(node, "allowzero", 0))
    if behind[0] != len(labels) and len(behind) != 1:
        raise UnfollowedError("channels are split or merged")
    made = repeated(labels, behind[0] // len(labels))
    if wanted[CHANNEL_AXIS] > 0:
        flow.resizes.append(Resize(made, node, CHANNEL_AXIS))
    return made


def _behind_batch(batch: int | None, sizes: tuple[int, ...], wanted: list[int], allowzero: int) -> list[int]:
    """Return the sizes behind the batch that a Reshape makes, if it leaves the batch alone."""
    source = (batch, *sizes)
    copied = [
        source[place] if size == 0 and not allowzero and place < len(source) else size
        for place, size in enumerate(wanted)
    ]
    behind = [size or 0 for size in copied[1:]]
    elements = math.prod(sizes)
    if -1 in behind and 0 not in behind and copied[0] == batch:
        behind[behind.index(-1)] = -elements // math.prod(behind)
    if not behind or math.prod(behind) != elements or copied[0] not in {batch, -1}:
        raise UnfollowedError("the batch is split or merged")
    return behind


def over_space(flow: Flow, node: onnx.NodeProto) -> Labels | None:
    """Leave channels where they are: Reduce, Squeeze and Unsqueeze behind them."""
    name = node.input[0]
    if name not in flow.carried:
        return None
    given = optional_input(node, 1)
    axes = flow.integers(given) if given else attribute(node, "axes", [])
    rank = len(flow.shape(name)) + (len(axes) if node.op_type == "Unsqueeze" else 0)
    if not axes or min(axis % rank for axis in axes) <= CHANNEL_AXIS:
        raise UnfollowedError("its axes are not all behind the channels")
    return flow.carried[name]
