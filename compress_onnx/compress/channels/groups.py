"""Channels that must go together: numbered classes that are tied, and kept where a reason demands it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.int64]
"""The channel number of every position along one axis of a tensor, shape (K,)."""


class Channels:
    """Channel numbers in classes (union-find), each class free or kept for a reason.

    >>> channels = Channels()
    >>> left, right = channels.fresh(2), channels.fresh(2)
    >>> channels.tie(left, right)
    >>> channels.keep(right[:1], "the reason")
    >>> channels.classes(left).tolist(), channels.reason(left[0]), channels.reason(left[1])
    ([0, 1], 'the reason', None)
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._reasons: dict[int, str] = {}

    def fresh(self, count: int) -> Labels:
        """Return ``count`` new channels, each a free class by itself."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count, dtype=np.int64)

    def tie(self, left: Labels, right: Labels) -> None:
        """Make one class of the channels at each position; both are (K,). A kept channel keeps its class."""
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            if low != high:
                self._parents[high] = low
                reason = self._reasons.pop(high, None)
                if reason is not None:
                    self._reasons.setdefault(low, reason)

    def keep(self, labels: Labels, reason: str) -> None:
        """Keep the classes of these channels; the first reason stays."""
        for label in labels.tolist():
            self._reasons.setdefault(self._root(label), reason)

    def classes(self, labels: Labels) -> Labels:
        """Return the class (its smallest channel number) of each position, shape (K,)."""
        return np.array([self._root(label) for label in labels.tolist()], dtype=np.int64)

    def reason(self, label: int) -> str | None:
        """Return why the class of this channel is kept, ``None`` where it is free."""
        return self._reasons.get(self._root(label))

    def _root(self, label: int) -> int:
        while self._parents[label] != label:
            # Halving the path keeps long chains of residual blocks short.
            self._parents[label] = self._parents[self._parents[label]]
            label = self._parents[label]
        return label
