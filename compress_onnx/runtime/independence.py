"""Batch independence: whether a model answers an image whatever else is in the call, found out by asking it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.errors import ModelError
from compress_onnx.model import AcrossImages, across_images, random_nodes
from compress_onnx.ort import Inputs, filled, spans, usual_batch
from compress_onnx.records import BatchIndependence
from compress_onnx.runtime.predict import OpenClassifier, Samples, fed_rows

Logits = NDArray[np.float32]

# A model that mixes images does so in every call, and exaggerated mates make it plain: few images tell.
CHECKED = 16
# So many answers bound the time, and tell a rate of changed predictions to within three points.
COUNTED = 1_024
# The other images of a call times this or its negative: no range or statistic over the call stays as it was.
_EXAGGERATION = np.float32(16)
# Where numbers lie in memory may decide in which order a kernel adds them.
_ALIGNMENT = 64
# Alone, a matrix of one row takes another kernel. Measured: equal bits on LeNet-5, SqueezeNet, ResNet-18 and a
# transformer in FP32, FP16 and W8A8; sums in another order move the seventh digit, deep networks amplify it a hundredfold.
_ROUNDING = 1e-4
_NAMED = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GraphSigns:
    """What a file's graph says: nodes that look across images, and nodes that draw at random."""

    across: tuple[AcrossImages, ...] = ()
    draws: tuple[str, ...] = ()

    @property
    def dependent(self) -> bool:
        """Whether the graph alone is evidence enough."""
        return any(one.certain for one in self.across)

    @property
    def causes(self) -> tuple[str, ...]:
        """The nodes that look across images, in words by operator, only the certain ones where there are any."""
        causing = [one for one in self.across if one.certain or not self.dependent]
        kinds = dict.fromkeys((one.op, one.how) for one in causing)
        return tuple(_cause([one for one in causing if (one.op, one.how) == kind]) for kind in kinds)


def _cause(alike: Sequence[AcrossImages]) -> str:
    """Return what nodes of one operator do.

    >>> _cause([AcrossImages(op="ReduceMean", node="mean", how="over the images", certain=True)])
    "ReduceMean 'mean' over the images"
    """
    first = alike[0]
    more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
    return f"{first.op} {first.node!r}{more} {first.how}"


def signs_of(model: onnx.ModelProto) -> GraphSigns:
    """Return what a model's graph says."""
    return GraphSigns(across=across_images(model), draws=random_nodes(model))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Group:
    """Images (B, ...) that make one call, and which of them (B,) have exaggerated mates first; the others have later."""

    images: Inputs
    first: NDArray[np.bool_]
    factors: Inputs

    def beside(self, unchanged: NDArray[np.bool_], factors: Inputs | np.float32) -> Inputs:
        """Return the call with all images but the ``unchanged`` ones replaced by others, times ``factors``."""
        mates = np.roll(self.images, 1, axis=0) * factors
        return np.where(unchanged.reshape(self.factors.shape), self.images, mates)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """How groups of images were answered: together and each alone, (M, C); how many answers other mates moved.

    A file of one fixed batch is not asked for images alone: ``alone`` are then answers at the next place of a call.
    """

    together: Logits
    alone: Logits
    moved: int
    restless: int


def batch_check(
    model: OpenClassifier, samples: Samples, signs: GraphSigns, *, batch: int, rng: np.random.Generator
) -> BatchIndependence:
    """Return whether the model's answers depend on the other images of a call; ``rng`` draws the images.

    An image of a call is asked again at its place in a call of equal size whose other images are
    exaggerated: the same kernels run on the same numbers, so any other bit of its answer came from
    the others. Alone, or elsewhere in a call of fixed size, its answer may differ by rounding, not by its class. Signs in the graph are enough
    where they are certain. ``batch`` images shall go into a call where answers depend on it.

    Errors
    ------
    ModelError
        if equal calls get unequal answers, if answers depend on the call and the file takes only calls of one
        size beyond 1, or the file cannot be run.
    """
    if not len(samples):
        return _nothing_asked(signs)
    size = model.fixed or min(usual_batch(fed_rows(samples, 0, 1)[0].nbytes), len(samples))
    seen = _seen(model, _groups(samples, size, rng), signs)
    if seen.restless:
        raise _restless(model, seen, signs)
    difference, changed = _compared(seen.together, seen.alone)
    apart = changed > 0 or difference > _ROUNDING * float(np.ptp(seen.alone, axis=1).max())
    dependent = model.fixed != 1 and (apart or seen.moved > 0 or signs.dependent)
    if dependent and model.fixed is not None:
        raise _fixed(model, signs)
    return BatchIndependence(
        independent=not dependent,
        checked=len(seen.together),
        batch=size,
        changed=changed,
        compared=len(seen.together),
        largest_difference=difference,
        predicted_batch=batch if dependent else None,
        causes=signs.causes if dependent else (),
        draws=signs.draws,
    )


def _nothing_asked(signs: GraphSigns) -> BatchIndependence:
    return BatchIndependence(
        independent=True, checked=0, batch=1, changed=0, compared=0, largest_difference=0.0, draws=signs.draws
    )


def count_changed(
    check: BatchIndependence,
    model: OpenClassifier,
    samples: Samples,
    logits: NDArray[np.float32],
    *,
    rng: np.random.Generator,
) -> BatchIndependence:
    """Return the check of a dependent model with the answers counted that other calls change.

    ``logits`` (N, C) are the answers that count. Up to 1,024 images, whole calls that ``rng`` draws, are asked again
    in calls of the usual batch; where that is what counts, one by one.
    """
    other = check.batch if check.batch != check.predicted_batch else 1
    calls = spans(len(samples), other)
    chosen = sorted(rng.permutation(len(calls))[: max(1, COUNTED // other)].tolist())
    drawn = [calls[place] for place in chosen]
    with ThreadPoolExecutor(model.workers) as pool:
        again = np.concatenate(list(pool.map(lambda call: model.logits(fed_rows(samples, *call)), drawn)))
    difference, changed = _compared(np.concatenate([logits[slice(*call)] for call in drawn]), again)
    return dataclasses.replace(check, batch=other, changed=changed, compared=len(again), largest_difference=difference)


def _groups(samples: Samples, size: int, rng: np.random.Generator) -> list[_Group]:
    """Draw images for calls of ``size``; where there are fewer, as a fixed batch may ask for, some come twice."""
    rows = rng.permutation(len(samples))
    rows = filled(rows, max(size, len(rows)))
    drawn = [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]
    return [_group(samples, group, rng) for group in drawn[: max(CHECKED // size, 1)]]


def _group(samples: Samples, rows: NDArray[np.int64], rng: np.random.Generator) -> _Group:
    # Fetched in turn: a data set need not serve one row to two threads.
    images = np.concatenate([fed_rows(samples, row, row + 1) for row in rows.tolist()])
    signs = rng.choice(np.array([-1, 1], np.float32), len(rows))
    return _Group(
        images=images,
        first=rng.permutation(len(rows)) < len(rows) // 2,
        factors=_EXAGGERATION * signs.reshape(-1, *[1] * (images.ndim - 1)),
    )


def _seen(model: OpenClassifier, groups: Sequence[_Group], signs: GraphSigns) -> _Seen:
    size = len(groups[0].images)
    calls = [group.images for group in groups]
    singly = model.fixed is None and size > 1
    halves = [half for group in groups for half in (group.first, ~group.first)] if size > 1 else []
    owners = [group for group in groups for _ in range(2)][: len(halves)]
    with ThreadPoolExecutor(model.workers) as pool:
        others = pool.map(lambda group, unchanged: _beside_others(model, group, unchanged), owners, halves)
        together = list(pool.map(lambda call: model.logits(_aligned(call)), calls))
        alone = list(pool.map(model.logits, [row[None] for call in calls for row in call])) if singly else []
        # In a file of one batch no image can be asked alone, but each in its neighbor's place.
        alone = alone or [
            np.roll(logits, -1, axis=0) for logits in pool.map(lambda call: _moved_on(model, call), calls)
        ]
        moved = sum(
            _unequal(other[unchanged], together[place // 2][unchanged])
            for place, (unchanged, other) in enumerate(zip(halves, others, strict=True))
        )
        # Equal calls are made where something is to be told apart from chance.
        doubtful = bool(moved or signs.draws or size == 1)
        again = list(pool.map(lambda call: model.logits(_aligned(call)), calls)) if doubtful else together
    return _Seen(
        together=np.concatenate(together),
        alone=np.concatenate(alone),
        moved=moved,
        restless=_unequal(np.concatenate(again), np.concatenate(together)),
    )


def _beside_others(model: OpenClassifier, group: _Group, unchanged: NDArray[np.bool_]) -> Logits:
    """Return the answers to a call in which the ``unchanged`` images have other mates."""
    try:
        return model.raw(_aligned(group.beside(unchanged, group.factors)))
    except ModelError:
        # A graph may have no answer to such pictures, as where pixels look up a table.
        return model.raw(_aligned(group.beside(unchanged, np.float32(1))))


def _moved_on(model: OpenClassifier, images: Inputs) -> Logits:
    """Return the answers to a call in which each image stands in the next one's place, the last in the first's."""
    return model.logits(_aligned(np.roll(images, 1, axis=0)))


def _aligned(images: Inputs) -> Inputs:
    """Return a copy whose place in memory is the same to any kernel."""
    room = np.empty(images.nbytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    copy = room[start : start + images.nbytes].view(images.dtype).reshape(images.shape)
    copy[:] = images
    return copy


def _unequal(first: NDArray[np.float32], second: NDArray[np.float32]) -> int:
    """Return the number of rows (B, C) that are not equal in every bit."""
    return int((first != second).any(axis=1).sum())


def _compared(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, int]:
    """Return the largest difference of two sets of logits (N, C), and how many predictions differ."""
    difference = float(np.abs(first.astype(np.float64) - second).max())
    return difference, int((first.argmax(axis=1) != second.argmax(axis=1)).sum())


def _restless(model: OpenClassifier, seen: _Seen, signs: GraphSigns) -> ModelError:
    named = f" ({', '.join(signs.draws[:_NAMED])})" if signs.draws else ""
    return ModelError(
        "the same answers to the same images",
        f"others for {seen.restless} of {len(seen.together)} when asked again{named}",
        where=model.path,
        remedy="Export the model in evaluation mode, so that nothing in it draws at random.",
    )


def _fixed(model: OpenClassifier, signs: GraphSigns) -> ModelError:
    named = f" ({'; '.join(signs.causes[:_NAMED])})" if signs.causes else ""
    return ModelError(
        "answers that do not depend on the other images of a call",
        f"some that do in a file that takes {model.fixed} images a call and no other number{named}",
        where=model.path,
        remedy="Export it with a free batch, or with a batch of 1: its answers are then those of single images.",
    )
