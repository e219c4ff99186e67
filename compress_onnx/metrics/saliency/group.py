"""Similarity of attribution maps summarized over a group of samples."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.errors import DataError
from compress_onnx.metrics.saliency.similarity import (
    Maps,
    cosine,
    diagonal_px,
    normalized,
    scaled_measures,
    spearman,
    top_k_overlap,
)
from compress_onnx.metrics.statistics import FRACTION, bootstrap_means
from compress_onnx.records import Better, Measure, SaliencyGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CORRELATION = "correlation"
SIMILARITY = "similarity index"
COSINE = "cosine"
DIAGONALS = "diagonals"
PIXELS = "px"
# By measure: its unit and where the better maps lie.
MEASURES = {
    "mean_absolute_deviation": (FRACTION, Better.LOWER),
    "spearman": (CORRELATION, Better.HIGHER),
    "top_k_overlap": (FRACTION, Better.HIGHER),
    "ssim": (SIMILARITY, Better.HIGHER),
    "cosine": (COSINE, Better.HIGHER),
    "center_shift": (DIAGONALS, Better.LOWER),
    "center_shift_px": (PIXELS, Better.LOWER),
}
# Pixels compared at once: their intermediate arrays stay within a core's cache, which is twice as fast.
_BLOCK = 2**15


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapSimilarities:
    """Per-sample similarities of N map pairs, each (N,) float64, finite."""

    mean_absolute_deviation: NDArray[np.float64]
    spearman: NDArray[np.float64]
    top_k_overlap: NDArray[np.float64]
    ssim: NDArray[np.float64]
    cosine: NDArray[np.float64]
    center_shift: NDArray[np.float64]
    center_shift_px: NDArray[np.float64]

    def columns(self, names: Sequence[str] = tuple(MEASURES)) -> NDArray[np.float64]:
        """Return the measures side by side, (N, M)."""
        return np.stack([getattr(self, name) for name in names], axis=1)


def map_similarities(baseline_maps: Maps, candidate_maps: Maps) -> MapSimilarities:
    """Compare (N, H, W) maps pair by pair, at least one pair.

    Errors
    ------
    DataError
        if the shapes differ, are not (N, H, W), or a value is not finite.

    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> map_similarities(maps, maps).spearman.round(6).tolist()
    [1.0]
    """
    _check(baseline_maps, candidate_maps)
    rows = max(1, _BLOCK // baseline_maps[0:1].size)
    parts = [
        _compared(baseline_maps[start : start + rows], candidate_maps[start : start + rows])
        for start in range(0, len(baseline_maps), rows)
    ]
    return joined(parts)


def joined(parts: Sequence[MapSimilarities]) -> MapSimilarities:
    """Return the similarities of several batches, one behind the other; at least one batch.

    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> len(joined([map_similarities(maps, maps)] * 3).ssim)
    3
    """
    return MapSimilarities(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in MEASURES})


def summarized(
    similarities: MapSimilarities, mask: NDArray[np.bool_], rng: np.random.Generator
) -> SaliencyGroup | None:
    """Return the means over the samples in ``mask`` (N,) with BCa bootstrap intervals; ``None`` if it is empty.

    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> summarized(map_similarities(maps, maps), np.array([True]), np.random.default_rng(0)).ssim.value
    1.0
    """
    n = int(np.count_nonzero(mask))
    if n == 0:
        return None
    columns = similarities.columns()[mask]
    intervals = bootstrap_means(columns, rng)
    means = columns.mean(axis=0)
    measures = {
        name: Measure(value=float(means[column]), unit=unit, better=better, n=n, interval=intervals[column])
        for column, (name, (unit, better)) in enumerate(MEASURES.items())
    }
    return SaliencyGroup(n=n, **measures)


def saliency_group(
    baseline_maps: Maps, candidate_maps: Maps, mask: NDArray[np.bool_], rng: np.random.Generator
) -> SaliencyGroup | None:
    """Summarize the similarity of (N, H, W) maps over the samples in ``mask`` (N,); ``None`` if it is empty.

    For several groups of the same maps, call :func:`map_similarities` once and :func:`summarized`
    per group.

    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> saliency_group(maps, maps, np.array([False]), np.random.default_rng(0)) is None
    True
    """
    if not mask.any():
        return None
    chosen = map_similarities(baseline_maps[mask], candidate_maps[mask])
    return summarized(chosen, np.ones(int(np.count_nonzero(mask)), dtype=np.bool_), rng)


def _compared(a: Maps, b: Maps) -> MapSimilarities:
    scaled = scaled_measures(normalized(a), normalized(b))
    return MapSimilarities(
        **scaled,
        center_shift=scaled["center_shift_px"] / diagonal_px(*a.shape[1:]),
        spearman=spearman(a, b),
        top_k_overlap=top_k_overlap(a, b),
        cosine=cosine(a, b),
    )


def _check(baseline_maps: Maps, candidate_maps: Maps) -> None:
    if baseline_maps.ndim != 3 or baseline_maps.shape != candidate_maps.shape or 0 in baseline_maps.shape:
        raise DataError(
            "saliency maps of one shape (samples, height, width) from both models",
            f"{baseline_maps.shape} and {candidate_maps.shape}",
            remedy="Attribute both models on the same images.",
        )
    if not (np.isfinite(baseline_maps).all() and np.isfinite(candidate_maps).all()):
        raise DataError("finite saliency maps", "NaN or infinity", remedy="Check the models' weights and scales.")
