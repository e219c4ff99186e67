"""The rows of ``samples.parquet`` as columns: one candidate's rows, its flips, and fair sub-samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Columns: TypeAlias = Mapping[str, NDArray[Any]]
NO_SAMPLES = "samples.parquet is missing, so single samples cannot be drawn."


def of_candidate(columns: Columns, candidate: str) -> Columns:
    """Return the rows of one candidate, in their order.

    >>> rows = {"candidate": np.array(["a", "b"]), "label": np.array([1, 2])}
    >>> int(of_candidate(rows, "b")["label"][0])
    2
    """
    chosen = columns["candidate"] == candidate
    return {name: values[chosen] for name, values in columns.items()}


def flipped(columns: Columns) -> NDArray[np.bool_]:
    """Return (N,) bool: where the predicted class differs."""
    return np.asarray(columns["baseline_class"] != columns["candidate_class"], dtype=np.bool_)


def even_indices(n: int, limit: int) -> NDArray[np.int64]:
    """Return at most ``limit`` indices spread evenly over ``range(n)``, ends included.

    >>> even_indices(10, 4).tolist()
    [0, 3, 6, 9]
    """
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    return np.linspace(0, n - 1, limit).round().astype(np.int64)


def surest(columns: Columns, chosen: NDArray[np.bool_], limit: int) -> Columns:
    """Return the ``chosen`` rows, beyond ``limit`` those of which both models are surest, in their order."""
    rows = np.flatnonzero(chosen)
    if rows.size > limit:
        sureness = np.minimum(columns["baseline_confidence"], columns["candidate_confidence"])[rows]
        rows = np.sort(rows[np.argsort(-sureness, kind="stable")[:limit]])
    return {name: values[rows] for name, values in columns.items()}


def even_quantiles(values: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Return at most ``limit`` of the sorted values at even ranks: quantiles and extremes stay.

    >>> even_quantiles(np.array([3.0, 1.0, 2.0]), 2).tolist()
    [1.0, 3.0]
    """
    ordered = np.sort(values)
    return ordered[even_indices(ordered.size, limit)]


def finite(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the finite values as float64."""
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]
