"""Saturation audit: what an x86-64 CPU without VNNI loses of a file's sums, and which predictions flip for it.

The file is run twice on the images, once as such a CPU adds and once exactly, by the arithmetic of
:mod:`~compress_onnx.ort.integer.arithmetic`: the answer is the same on whichever CPU the audit runs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.metrics import proportion
from compress_onnx.ort import EmulatedModel, FusedModel, IntegerNode, Key, fused, key_of, lost_in_pairs
from compress_onnx.records import Better, Measure, Need, NodeSaturation, SaturationAudit


def audit(
    model: onnx.ModelProto, batches: Iterable[NDArray[np.float32]] | None = None, *, threads: int = 1
) -> SaturationAudit:
    """Return which channels of a model can overflow, how often they do on images, and how many predictions flip.

    ``batches`` are preprocessed images (B, ...) float32, gone through once. Reduced range is needed
    where images overflow, not needed where no channel can, unknown where some can and no image did
    or was given, or where a kernel was never measured.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot run the model.
    """
    source = fused(model)
    tallies = {key_of(node.proto): _Tally(node) for node in source.nodes}
    seen = None if batches is None else _seen(source, batches, tallies, threads)
    nodes = tuple(tally.result(None if seen is None else seen.images) for tally in tallies.values())
    need, reason = _judged(nodes, source, seen)
    return SaturationAudit(
        nodes=nodes,
        images=None if seen is None else seen.images,
        reduced_range=need,
        reason=reason,
        flips=None if seen is None else _flips(seen),
        unmeasured=tuple(name for _, name in source.unmeasured),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """How many images went through, and how many predictions differ between the two ways to add."""

    images: int
    flipped: int


def _seen(
    source: FusedModel, batches: Iterable[NDArray[np.float32]], tallies: dict[Key, _Tally], threads: int
) -> _Seen:
    """Run all images both ways; where nothing can overflow the two are one, and nothing is run."""
    images = flipped = 0
    risky = bool(source.at_risk)
    watch = functools.partial(_watched, tallies)
    saturating, exact = (
        (
            EmulatedModel(source, saturating=True, threads=threads, watch=watch),
            EmulatedModel(source, saturating=False, threads=threads),
        )
        if risky
        else (None, None)
    )
    for batch in batches:
        images += len(batch)
        if saturating is not None and exact is not None:
            there, here = (one.logits(batch).argmax(axis=1) for one in (saturating, exact))
            flipped += int((there != here).sum())
    return _Seen(images=images, flipped=flipped)


def _watched(tallies: dict[Key, _Tally], node: IntegerNode, levels: NDArray[np.uint8], point: int) -> None:
    tallies[key_of(node.proto)].add(levels, point)


def _flips(seen: _Seen) -> Measure:
    return proportion(seen.flipped, seen.images, better=Better.LOWER)


def overflowing(node: IntegerNode, levels: NDArray[np.uint8], point: int) -> NDArray[np.bool_]:
    """Return which outputs of a node hold an overflowed pair: (channels, N, *positions), or (channels, *rows).

    ``levels`` is what the node takes, uint8, and ``point`` its zero point.
    """
    columns = node.columns(levels, point)
    outputs = node.weights.shape[2]
    hit = np.zeros((node.channels, *columns[0].shape[1:]), bool)
    if not node.adds_pairs:
        return hit
    for group, (part, weights) in enumerate(zip(columns, node.weights, strict=True)):
        for channel, parts in lost_in_pairs(part.reshape(len(part), -1), weights):
            hit[group * outputs + channel] = parts.any(axis=0).reshape(hit.shape[1:])
    return hit


class _Tally:
    """One node's risks and what images did to it so far."""

    def __init__(self, node: IntegerNode) -> None:
        self._node = node
        self._channels = np.zeros(node.channels, bool)
        self._outputs = self._overflowed = self._images = 0

    def add(self, levels: NDArray[np.uint8], point: int) -> None:
        hit = overflowing(self._node, levels, point)
        whole = hit.reshape(len(hit), len(levels), -1)
        self._channels |= whole.any(axis=(1, 2))
        self._outputs += hit.size
        self._overflowed += int(hit.sum())
        self._images += int(whole.any(axis=(0, 2)).sum())

    def result(self, images: int | None) -> NodeSaturation:
        node, risky = self._node, self._node.risks()
        counted = images is not None
        # A node that cannot overflow is not watched.
        outputs = self._outputs if risky.any() else (images or 0) * node.channels
        return NodeSaturation(
            name=node.name,
            op=node.op,
            types=f"{'U8' if node.unsigned else 'S8'}{'S8' if node.weights.dtype == np.int8 else 'U8'}",
            adds_pairs=node.adds_pairs,
            channels=node.channels,
            channels_at_risk=int(risky.any(axis=1).sum()),
            pairs_at_risk=int(risky.sum()),
            channels_overflowing=int(self._channels.sum()) if counted else None,
            outputs_overflowing=proportion(self._overflowed, outputs, better=Better.LOWER) if counted else None,
            images_overflowing=proportion(self._images, images or 0, better=Better.LOWER) if counted else None,
        )


def _judged(nodes: tuple[NodeSaturation, ...], source: FusedModel, seen: _Seen | None) -> tuple[Need, str]:
    if source.unmeasured:
        (op, name), *_ = source.unmeasured
        return Need.UNKNOWN, f"how {op} (node {name!r}) adds on such a CPU was never measured"
    if not nodes:
        return Need.NO, "the file holds no integer kernels with constant weights"
    risky = sum(node.channels_at_risk for node in nodes)
    channels = sum(node.channels for node in nodes)
    if not risky:
        return Need.NO, f"no pair of products of any of {channels} channels can overflow"
    risk = f"{risky} of {channels} channels can overflow on a CPU without VNNI"
    if seen is None:
        return Need.UNKNOWN, f"{risk}; give images with --data to see how often they do"
    overflowing_channels = sum(node.channels_overflowing or 0 for node in nodes)
    if not overflowing_channels:
        return Need.UNKNOWN, f"{risk}, none did on {seen.images} images"
    flips = f"{seen.flipped or 'none'} of {seen.images} predictions flip{'' if seen.flipped > 1 else 's'} for it"
    return Need.YES, f"{risk}, {overflowing_channels} did on {seen.images} images, and {flips}"
