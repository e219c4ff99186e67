"""Channels that are tied are one class, as SciPy's disjoint sets have it, and a class is kept for its first reason."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import DisjointSet

from compress_onnx.compress.channels.groups import Channels

COUNT = 12
PAIRS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)), max_size=20)


@given(PAIRS)
def test_classes_are_those_of_disjoint_sets_named_by_their_smallest(pairs: list[tuple[int, int]]) -> None:
    channels, sets = Channels(), DisjointSet(range(COUNT))
    labels = np.concatenate([channels.fresh(COUNT // 2), channels.fresh(COUNT // 2)])
    for left, right in pairs:
        channels.tie(labels[[left]], labels[[right]])
        sets.merge(left, right)
    assert channels.classes(labels).tolist() == [min(sets.subset(label)) for label in range(COUNT)]


@given(PAIRS, st.sets(st.integers(0, COUNT - 1)))
def test_a_class_is_kept_if_one_of_it_is_whenever_it_was_tied(pairs: list[tuple[int, int]], kept: set[int]) -> None:
    before, after, sets = Channels(), Channels(), DisjointSet(range(COUNT))
    for channels in (before, after):
        channels.fresh(COUNT)
    for label in kept:
        before.keep(np.array([label]), "kept")
    for left, right in pairs:
        for channels in (before, after):
            channels.tie(np.array([left]), np.array([right]))
        sets.merge(left, right)
    for label in kept:
        after.keep(np.array([label]), "kept")
    expected = [None if kept.isdisjoint(sets.subset(label)) else "kept" for label in range(COUNT)]
    assert [before.reason(label) for label in range(COUNT)] == expected
    assert [after.reason(label) for label in range(COUNT)] == expected


def test_the_first_reason_stays() -> None:
    channels = Channels()
    labels = channels.fresh(2)
    channels.keep(labels[:1], "first")
    channels.keep(labels[:1], "second")
    channels.tie(labels[:1], labels[1:])
    assert channels.reason(1) == "first"
