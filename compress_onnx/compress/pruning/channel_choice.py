"""Which channels go: groups that are tied, ranked by the norms of their filters. Pure."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compress.channels import Labels
from compress_onnx.compress.pruning.magnitude import zero_count


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """The filters of one weight: the class of each, (M,) int64, its norm, (M,) float64, and the classes that may go."""

    classes: Labels
    norms: NDArray[np.float64]
    free: frozenset[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Weights whose filters are tied, and the score of each class that may go."""

    names: tuple[str, ...]
    scores: dict[int, float]


def filter_norms(weight: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
    """Return ‖W_m‖₂ of every filter along ``axis``, shape (M,).

    >>> filter_norms(np.array([[3.0, 4.0], [0.0, 0.0]]), 0).tolist()
    [5.0, 0.0]
    """
    rows = np.moveaxis(weight.astype(np.float64), axis, 0).reshape(weight.shape[axis], -1)
    return np.asarray(np.linalg.norm(rows, axis=1))


def grouped(weights: Mapping[str, Filters]) -> list[Group]:
    """Return the groups of weights that share a class that may go, in order of their first weight.

    A class is scored by the sum of the norms of all filters in it.

    >>> ends = Filters(np.array([0, 1]), np.array([1.0, 2.0]), frozenset({0, 1}))
    >>> alone = Filters(np.array([5]), np.array([3.0]), frozenset({5}))
    >>> [(group.names, group.scores) for group in grouped({"a": ends, "b": alone, "c": ends})]
    [(('a', 'c'), {0: 2.0, 1: 4.0}), (('b',), {5: 3.0})]
    """
    groups: list[Group] = []
    for name, filters in weights.items():
        own = _summed(filters)
        met = [group for group in groups if not own.keys().isdisjoint(group.scores)]
        total = Counter[int]()
        for scores in (*(group.scores for group in met), own):
            total.update(scores)
        joined = Group((*(tied for group in met for tied in group.names), name), dict(total))
        place = groups.index(met[0]) if met else len(groups)
        groups = [group for group in groups if group not in met]
        groups[place:place] = [joined] if own else []
    return groups


def _summed(filters: Filters) -> dict[int, float]:
    """Return the sum of norms of each class that may go."""
    norms: dict[int, float] = {}
    for one, norm in zip(filters.classes.tolist(), filters.norms.tolist(), strict=True):
        if one in filters.free:
            norms[one] = norms.get(one, 0.0) + norm
    return norms


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much may go: the fraction, of each group or of all; what every weight keeps, and in which multiples."""

    fraction: float
    scope: str = "layer"
    least: int = 1
    multiple: int = 1


def chosen(weights: Mapping[str, Filters], quota: Quota) -> frozenset[int]:
    """Return the classes to remove: those of the lowest scores, equal ones in graph order.

    ``layer`` takes ⌊f·n⌋ of each group's n classes. ``global`` takes ⌊f·n⌋ of all, ranked by
    score / mean score of the group, since norms of layers of different shape do not compare. Fewer
    go where a weight would keep less than ``least`` channels; and the best of those that were to go
    stay where a weight would keep a number that is no multiple of its step (:func:`step_of`).

    >>> four = Filters(np.arange(4), np.array([4.0, 1.0, 2.0, 3.0]), frozenset(range(4)))
    >>> sorted(chosen({"w": four}, Quota(fraction=0.7)))
    [1, 2]
    >>> sorted(chosen({"w": four}, Quota(fraction=0.7, least=3)))
    [1]
    """
    groups = grouped(weights)
    counts = {name: len(set(filters.classes.tolist())) for name, filters in weights.items()}
    spare = _spare(weights, Counter({name: count - quota.least for name, count in counts.items()}))
    if quota.scope == "global":
        scaled = {one: score for group in groups for one, score in _scaled(group).items()}
        lowest = _lowest(scaled, quota.fraction, spare)
    else:
        lowest = [one for group in groups for one in _lowest(group.scores, quota.fraction, spare)]
    gone = set(lowest)
    return frozenset(one for group in groups for one in _in_multiples(group, weights, gone, quota.multiple))


def _in_multiples(group: Group, weights: Mapping[str, Filters], gone: AbstractSet[int], multiple: int) -> list[int]:
    """Return the group's classes that go, less the best of them until every weight keeps a multiple."""
    going = sorted((one for one in group.scores if one in gone), key=group.scores.__getitem__)
    classes = [set(weights[name].classes.tolist()) for name in group.names]
    while going and any(len(held.difference(going)) % step_of(len(held), multiple) for held in classes):
        going.pop()
    return going


def step_of(width: int, multiple: int) -> int:
    """Return in which multiples a layer keeps its channels: ``multiple``, halved until it is a quarter of the width.

    >>> [step_of(width, 16) for width in (512, 64, 32, 16, 6)]
    [16, 16, 8, 4, 1]
    """
    while multiple > 1 and 4 * multiple > width:
        multiple //= 2
    return multiple


def _scaled(group: Group) -> dict[int, float]:
    # A group of zeros only has no mean to divide by, and all of it may go first.
    mean = sum(group.scores.values()) / len(group.scores) or 1.0
    return {one: score / mean for one, score in group.scores.items()}


def _spare(weights: Mapping[str, Filters], left: Counter[str]) -> Callable[[int], bool]:
    """Return a function that takes a class away if every weight can spare it, and says so."""
    holders: dict[int, list[str]] = {}
    for name, filters in weights.items():
        for one in filters.free:
            holders.setdefault(one, []).append(name)

    def taken(one: int) -> bool:
        if any(left[name] <= 0 for name in holders[one]):
            return False
        left.subtract(holders[one])
        return True

    return taken


def _lowest(scores: Mapping[int, float], fraction: float, spare: Callable[[int], bool]) -> list[int]:
    wanted = zero_count(len(scores), fraction)
    lowest: list[int] = []
    # sorted is stable: ties go in graph order.
    for one in sorted(scores, key=scores.__getitem__):
        if len(lowest) < wanted and spare(one):
            lowest.append(one)
    return lowest
