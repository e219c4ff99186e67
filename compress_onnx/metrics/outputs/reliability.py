"""Does confidence keep its word: reliability bins and expected calibration error (ECE).

This is *confidence* calibration; the calibration that chooses quantization ranges is another thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.records import ReliabilityBin

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The number of bins of Guo et al. 2017 and most of what followed: figures stay comparable.
BINS = 15


def reliability_bins(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """Sort (N,) predictions into bins of equal width over 0 to 1: mean confidence and accuracy of each.

    A bin is [low, high), the last one holds 1; an empty bin has ``None`` for both means.

    >>> [b.n for b in reliability_bins(np.array([0.2, 0.5, 1.0]), np.array([True, True, True]), bins=2)]
    [1, 2]
    """
    edges = np.linspace(0, 1, bins + 1)
    counts, confidences, rights = _sums(_bin_of(confidence, edges), confidence, right, bins)
    return tuple(
        ReliabilityBin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            n=int(counts[i]),
            mean_confidence=float(confidences[i] / counts[i]) if counts[i] else None,
            accuracy=float(rights[i] / counts[i]) if counts[i] else None,
        )
        for i in range(bins)
    )


def expected_calibration_error(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS
) -> float | None:
    """Return the mean gap between confidence and accuracy over bins of equal width, weighted by size.

    ``sum_b n_b / N |accuracy_b - confidence_b|`` (Guo et al. 2017, On Calibration of Modern Neural
    Networks), a fraction; ``None`` without samples.

    >>> expected_calibration_error(np.array([0.75, 0.75]), np.array([True, False]))
    0.25
    """
    return weighted_gap(equal_width_bins(confidence, bins), right - confidence)


def equal_width_bins(confidence: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """Return the bin (N,) of each confidence among ``bins`` of equal width over 0 to 1.

    >>> equal_width_bins(np.array([0.2, 0.5, 1.0]), 2).tolist()
    [0, 1, 1]
    """
    return _bin_of(confidence, np.linspace(0, 1, bins + 1))


def equal_mass_bins(confidence: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """Return the bin (N,) of each confidence between their ``bins`` quantiles (Nixon et al. 2019).

    Equal confidences stay in one bin, so that an error over these bins does not depend on the
    samples' order.

    >>> equal_mass_bins(np.array([0.5, 0.75, 0.75, 0.9]), 2).tolist()
    [0, 1, 1, 1]
    """
    if len(confidence) == 0:
        return np.empty(0, dtype=np.int64)
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1))
    return _bin_of(confidence, np.unique(edges))


def weighted_gap(bin_of: NDArray[np.int64], gap: NDArray[np.float64]) -> float | None:
    """Return ``sum_b |sum of gaps in b| / N``, gap (N,) being 1 (right) or 0, minus confidence.

    ``None`` without samples.

    >>> weighted_gap(np.array([0, 1]), np.array([0.5, -0.25]))
    0.375
    """
    if len(gap) == 0:
        return None
    return float(np.abs(np.bincount(bin_of, weights=gap)).sum() / len(gap))


def _bin_of(confidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin (N,) of each value in [low, high); values at or past the last edge fall into the last bin."""
    inner = edges[1:-1]
    return np.searchsorted(inner, confidence, side="right").astype(np.int64)


def _sums(
    bin_of: NDArray[np.int64], confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return (
        np.bincount(bin_of, minlength=bins).astype(np.float64),
        np.bincount(bin_of, weights=confidence, minlength=bins).astype(np.float64),
        np.bincount(bin_of, weights=right, minlength=bins).astype(np.float64),
    )
