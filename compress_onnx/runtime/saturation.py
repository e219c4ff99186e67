"""Saturation audit: which U8S8 channels can overflow int16 without VNNI, and how often images do it.

Without VNNI the runtime multiplies with ``vpmaddubsw``: two neighbouring products of a uint8 and an
int8 are added in int16, and what does not fit stops at -32,768 or 32,767. Neighbours are the elements
2j and 2j + 1 along K, in the order of :class:`~compress_onnx.graph.u8s8.U8S8`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compress_onnx.graph import model_bytes
from compress_onnx.graph.u8s8 import U8S8, u8s8_nodes
from compress_onnx.metrics.measures import proportion
from compress_onnx.ort.session import image_input, open_session, runtime_failures
from compress_onnx.records import Better, Need, NodeSaturation, SaturationAudit

_LOW, _HIGH = -32768, 32767
_LARGEST_ACTIVATION = 255


def audit(model: onnx.ModelProto, batches: Iterable[NDArray[np.float32]] | None = None) -> SaturationAudit:
    """Return which U8S8 channels of a model can overflow, and how often they do on images.

    ``batches`` are preprocessed images (B, ...) float32. Reduced range is needed where images
    overflow, not needed where no channel can, unknown where some can and no image did or was given.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot run the model.
    """
    nodes = tuple(u8s8_nodes(model))
    tallies = [_Tally(node) for node in nodes]
    images = None
    if batches is not None and nodes:
        images = 0
        for activations in _activations(model, [node.activation for node in nodes], batches):
            images += len(activations[0])
            for tally, activation in zip(tallies, activations, strict=True):
                tally.add(activation)
    found = tuple(tally.result(images) for tally in tallies)
    need, reason = _judged(found, images)
    return SaturationAudit(nodes=found, images=images, reduced_range=need, reason=reason)


def pairs_at_risk(weights: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which pairs of weights (K, O) can overflow: (ceil(K / 2), O).

    With activations of 0 to 255, a pair overflows for some of them exactly if 255 times the sum of
    its positive weights exceeds 32,767, or that of its negative ones falls below -32,768; that is,
    if weights of one sign sum to 129 or more. An odd K is padded with zero, as the runtime pads it.

    >>> pairs_at_risk(np.array([[127, 64, -100], [2, 64, 127]], np.int8)).tolist()
    [[True, False, False]]
    """
    pairs = _paired(weights)
    high = _LARGEST_ACTIVATION * np.maximum(pairs, 0).sum(axis=1)
    low = _LARGEST_ACTIVATION * np.minimum(pairs, 0).sum(axis=1)
    return np.asarray((high > _HIGH) | (low < _LOW))


def channels_at_risk(weights: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which channels (O,) of weights (K, O) could overflow whichever two weights meet.

    >>> channels_at_risk(np.array([[100, 60], [1, 60], [29, -127]], np.int8)).tolist()
    [True, False]
    """
    ordered = np.sort(np.pad(weights, ((0, max(0, 2 - len(weights))), (0, 0))), axis=0)
    smallest, largest = pairs_at_risk(ordered[:2]), pairs_at_risk(ordered[-2:])
    return np.asarray((smallest | largest)[0])


def _paired(weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return weights (K, O) as pairs (P, 2, O) of int32."""
    wide = np.pad(weights.astype(np.int32), ((0, len(weights) % 2), (0, 0)))
    return wide.reshape(-1, 2, weights.shape[1])


def overflowing(node: U8S8, activation: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which outputs of a node hold an overflowed pair: (N, positions, channels).

    ``activation`` is what the node takes, (N, C, H, W) or (N, K) uint8.
    """
    groups, inner, outer = node.weights.shape
    columns = list(_columns(node, activation))
    hit = np.zeros((len(activation), columns[0][0].shape[1], groups, outer), bool)
    for group, weights in enumerate(node.weights):
        risky, pairs = pairs_at_risk(weights), _paired(weights)
        for place in np.flatnonzero(risky.any(axis=1)).tolist():
            outputs = np.flatnonzero(risky[place])
            first = columns[group][2 * place].astype(np.int32)[..., None]
            second = columns[group][2 * place + 1].astype(np.int32)[..., None] if 2 * place + 1 < inner else 0
            sums = first * pairs[place, 0, outputs] + second * pairs[place, 1, outputs]
            hit[:, :, group, outputs] |= (sums > _HIGH) | (sums < _LOW)
    return hit.reshape(*hit.shape[:2], -1)


class _Columns:
    """Column k of what a group multiplies, (N, positions) uint8, cut out when asked for."""

    def __init__(self, padded: NDArray[np.uint8], node: U8S8) -> None:
        self._padded, self._node = padded, node

    def __getitem__(self, k: int) -> NDArray[np.uint8]:
        window = self._node.window
        if window is None:
            return self._padded[:, None, k]
        channels = self._padded.shape[1]
        (row, column), channel = divmod(k // channels, window.kernel[1]), k % channels
        starts = (row * window.dilations[0], column * window.dilations[1])
        spans = [
            (size - (kernel - 1) * dilation - 1) // stride * stride + 1
            for size, kernel, dilation, stride in zip(
                self._padded.shape[2:], window.kernel, window.dilations, window.strides, strict=True
            )
        ]
        cut = [slice(s, s + span, stride) for s, span, stride in zip(starts, spans, window.strides, strict=True)]
        return self._padded[:, channel, cut[0], cut[1]].reshape(len(self._padded), -1)


def _columns(node: U8S8, activation: NDArray[np.uint8]) -> Iterator[_Columns]:
    if node.window is None:
        yield _Columns(activation.reshape(-1, activation.shape[-1]), node)
        return
    top, left, bottom, right = node.window.pads
    padded = np.pad(
        activation, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=np.uint8(node.zero_point)
    )
    for part in np.split(padded, len(node.weights), axis=1):
        yield _Columns(part, node)


class _Tally:
    """One node's risks and what images did to it so far."""

    def __init__(self, node: U8S8) -> None:
        self._node = node
        window = node.window
        # One channel per group goes to kernels of its own, which pair differently or not at all.
        self._known = len(node.weights) == 1 or window is None or node.weights.shape[1] > math.prod(window.kernel)
        self._channels = np.zeros(node.weights.shape[0] * node.weights.shape[2], bool)
        self._outputs = self._overflowed = self._images = 0

    def add(self, activation: NDArray[np.uint8]) -> None:
        if not self._known:
            return
        hit = overflowing(self._node, activation)
        self._channels |= hit.any(axis=(0, 1))
        self._outputs += hit.size
        self._overflowed += int(hit.sum())
        self._images += int(hit.any(axis=(1, 2)).sum())

    def result(self, images: int | None) -> NodeSaturation:
        weights = self._node.weights
        pairs = [pairs_at_risk(group) for group in weights]
        risky = [group.any(axis=0) for group in pairs] if self._known else [channels_at_risk(one) for one in weights]
        counted = self._known and images is not None
        return NodeSaturation(
            name=self._node.name,
            op=self._node.op,
            channels=len(self._channels),
            channels_at_risk=int(np.sum(risky)),
            pairs_known=self._known,
            pairs_at_risk=int(sum(group.sum() for group in pairs)) if self._known else None,
            channels_overflowing=int(self._channels.sum()) if counted else None,
            outputs_overflowing=proportion(self._overflowed, self._outputs, better=Better.LOWER) if counted else None,
            images_overflowing=proportion(self._images, images or 0, better=Better.LOWER) if counted else None,
        )


def _activations(
    model: onnx.ModelProto, names: list[str], batches: Iterable[NDArray[np.float32]]
) -> Iterator[list[NDArray[np.uint8]]]:
    """Yield the uint8 tensors of those names for each batch, without the optimiser."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    known = {value.name for value in watched.graph.output}
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.UINT8, None)
        for name in dict.fromkeys(names)
        if name not in known
    )
    session = open_session(model_bytes(watched), optimised=False)
    name = image_input(session).name
    for batch in batches:
        with runtime_failures("saturation audit"):
            yield session.run(names, {name: batch})


def _judged(nodes: tuple[NodeSaturation, ...], images: int | None) -> tuple[Need, str]:
    if not nodes:
        return Need.NO, "the file holds no U8S8 nodes"
    risky = sum(node.channels_at_risk for node in nodes)
    channels = sum(node.channels for node in nodes)
    if not risky:
        return Need.NO, f"no two weights of any of {channels} channels can overflow"
    told = f"{risky} of {channels} channels can overflow on a CPU without VNNI"
    if images is None:
        return Need.UNKNOWN, f"{told}; give images with --data to see how often they do"
    seen = sum(node.channels_overflowing or 0 for node in nodes)
    if seen:
        return Need.YES, f"{told}, {seen} did on {images} images"
    return Need.UNKNOWN, f"{told}, none did on {images} images"
