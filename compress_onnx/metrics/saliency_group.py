"""Similarity of attribution maps summarised over a group of samples."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.errors import DataError
from compress_onnx.metrics.means import bootstrap_mean
from compress_onnx.metrics.measures import FRACTION
from compress_onnx.metrics.probabilities import row_blocks
from compress_onnx.metrics.saliency_similarity import (
    SSIM_WINDOW,
    Maps,
    mean_absolute_deviation,
    spearman,
    ssim,
    top_k_overlap,
)
from compress_onnx.records import Better, Measure, SaliencyGroup, undefined

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CORRELATION = "correlation"
SIMILARITY = "similarity index"
CONSTANT = "every map pair of this group has a constant map"
TOO_SMALL = f"the maps are smaller than {SSIM_WINDOW}x{SSIM_WINDOW} pixels"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapSimilarities:
    """Per-sample similarities of N map pairs, each (N,) float64; NaN where one does not exist."""

    mean_absolute_deviation: NDArray[np.float64]
    spearman: NDArray[np.float64]
    top_k_overlap: NDArray[np.float64]
    ssim: NDArray[np.float64]


def map_similarities(baseline_maps: Maps, candidate_maps: Maps) -> MapSimilarities:
    """Compare (N, H, W) maps pair by pair, in blocks of a few MiB.

    Errors
    ------
    DataError
        if the shapes differ, are not (N, H, W), or a value is not finite.

    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> map_similarities(maps, maps).spearman.round(6).tolist()
    [1.0]
    """
    _check(baseline_maps, candidate_maps)
    return MapSimilarities(
        mean_absolute_deviation=_in_blocks(mean_absolute_deviation, baseline_maps, candidate_maps),
        spearman=_in_blocks(spearman, baseline_maps, candidate_maps),
        top_k_overlap=_in_blocks(top_k_overlap, baseline_maps, candidate_maps),
        ssim=_in_blocks(ssim, baseline_maps, candidate_maps),
    )


def summarised(
    similarities: MapSimilarities, mask: NDArray[np.bool_], rng: np.random.Generator
) -> SaliencyGroup | None:
    """Return the means over the samples in ``mask`` (N,) with bootstrap intervals; ``None`` if it is empty.

    Samples without a value are left out: a measure's ``n`` counts those that have one, the group's
    ``n`` all of them.

    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> summarised(map_similarities(maps, maps), np.array([True]), np.random.default_rng(0)).ssim.value
    1.0
    """
    if not mask.any():
        return None
    values = similarities
    return SaliencyGroup(
        n=int(np.count_nonzero(mask)),
        mean_absolute_deviation=_mean(values.mean_absolute_deviation[mask], rng, FRACTION, better=Better.LOWER),
        spearman=_mean(values.spearman[mask], rng, CORRELATION),
        top_k_overlap=_mean(values.top_k_overlap[mask], rng, FRACTION),
        ssim=_mean(values.ssim[mask], rng, SIMILARITY, nothing=TOO_SMALL),
    )


def saliency_group(
    baseline_maps: Maps, candidate_maps: Maps, mask: NDArray[np.bool_], rng: np.random.Generator
) -> SaliencyGroup | None:
    """Summarise the similarity of (N, H, W) maps over the samples in ``mask`` (N,); ``None`` if it is empty.

    For several groups of the same maps, call :func:`map_similarities` once and :func:`summarised`
    per group.

    >>> maps = np.arange(64.0).reshape(1, 8, 8)
    >>> saliency_group(maps, maps, np.array([False]), np.random.default_rng(0)) is None
    True
    """
    if not mask.any():
        return None
    chosen = map_similarities(baseline_maps[mask], candidate_maps[mask])
    return summarised(chosen, np.ones(int(np.count_nonzero(mask)), dtype=np.bool_), rng)


def _check(baseline_maps: Maps, candidate_maps: Maps) -> None:
    if baseline_maps.ndim != 3 or baseline_maps.shape != candidate_maps.shape or baseline_maps[0:1].size == 0:
        raise DataError(
            "saliency maps of one shape (samples, height, width) from both models",
            f"{baseline_maps.shape} and {candidate_maps.shape}",
            remedy="Attribute both models on the same images.",
        )
    if not (np.isfinite(baseline_maps).all() and np.isfinite(candidate_maps).all()):
        raise DataError("finite saliency maps", "NaN or infinity", remedy="Check the models' weights and scales.")


def _in_blocks(
    similarity: Callable[[Maps, Maps], NDArray[np.float64]], baseline_maps: Maps, candidate_maps: Maps
) -> NDArray[np.float64]:
    blocks = row_blocks(baseline_maps.shape)
    return np.concatenate([similarity(baseline_maps[rows], candidate_maps[rows]) for rows in blocks])


def _mean(
    values: NDArray[np.float64],
    rng: np.random.Generator,
    unit: str,
    *,
    better: Better = Better.HIGHER,
    nothing: str = CONSTANT,
) -> Measure:
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return undefined(nothing, unit=unit, better=better)
    return Measure(
        value=float(known.mean()), unit=unit, better=better, n=len(known), interval=bootstrap_mean(known, rng)
    )
