"""What calibration keeps of the activations: extremes, and counts whose sum has no order.

ONNX Runtime's collector lays its bins over the first data it sees and stretches them for what
comes later, so its counts depend on the order and size of the chunks. Here the bins lie on a grid of
powers of two: twice the range means that neighboring bins are added, exactly, and the counts at the
end are those of all values at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import CalibrationDataCollector, HistogramCollector

from compress_onnx.errors import ModelError

Extremes = tuple[np.floating, np.floating]
# Between 2,048, ONNX Runtime's number for the percentile, and twice that lie below the largest value.
PERCENTILE_BINS = 4096
# ONNX Runtime's own: with as many bins as levels, entropy has one candidate, the whole range.
ENTROPY_BINS = 128
# ONNX Runtime's own default, in percent.
PERCENTILE = 99.999
# Values below 2^-100 are zero to any scale that a quantizer can store, and 2^100 is a float32.
_LEAST_EXPONENT = -100
# The counting's arrays stay in the second-level cache.
_BLOCK = 65_536


def collector_for(method: str) -> CalibrationDataCollector:
    """Return an empty collector for ``minmax``, ``entropy`` or ``percentile``."""
    if method == "minmax":
        return MinMaxCollector()
    return DyadicCollector(method)


class MinMaxCollector(CalibrationDataCollector):  # type: ignore[misc]  # ONNX Runtime ships no types
    """The smallest and the largest value of each tensor."""

    def __init__(self) -> None:
        self._extremes: dict[str, Extremes] = {}

    def collect(self, name_to_arr: Mapping[str, Sequence[NDArray[np.floating]]]) -> None:
        """Take in the arrays of one chunk."""
        for name, arrays in name_to_arr.items():
            for array in arrays:
                self._extremes[name] = _wider(self._extremes.get(name), _extremes(name, array))

    def compute_collection_result(self) -> dict[str, Extremes]:
        """Return (lowest, highest) by tensor."""
        return self._extremes


class DyadicCollector(HistogramCollector):  # type: ignore[misc]  # ONNX Runtime ships no types
    """ONNX Runtime's thresholds over counts that do not depend on order.

    ``percentile`` counts absolute values, as ONNX Runtime does by default, ``entropy`` signed ones.
    """

    def __init__(self, method: str) -> None:
        absolute = method == "percentile"
        super().__init__(
            method=method,
            symmetric=absolute,
            num_bins=PERCENTILE_BINS if absolute else ENTROPY_BINS,
            num_quantized_bins=ENTROPY_BINS,
            percentile=PERCENTILE,
            scenario="same",
        )
        self._exponents: dict[str, int] = {}

    def collect(self, name_to_arr: Mapping[str, Sequence[NDArray[np.floating]]]) -> None:
        """Take in the arrays of one chunk."""
        for name, arrays in name_to_arr.items():
            for array in arrays:
                self._add(name, array)

    def _add(self, name: str, array: NDArray[np.floating]) -> None:
        known = self.histogram_dict.get(name)
        low, high = _wider(known[2:4] if known else None, _extremes(name, array))
        exponent = range_exponent(float(max(-low, high)))
        bins = self.num_bins
        counts = dyadic_counts(np.abs(array) if self.symmetric else array, exponent, bins=bins, signed=self._signed)
        if known:
            counts += coarser(known[0], exponent - self._exponents[name], signed=self._signed)
        self._exponents[name] = exponent
        edges = dyadic_edges(exponent, bins=bins, signed=self._signed)
        self.histogram_dict[name] = (counts, edges.astype(array.dtype), low, high)

    @property
    def _signed(self) -> bool:
        return not self.symmetric


def _extremes(name: str, array: NDArray[np.floating]) -> Extremes:
    if not array.size:
        return array.dtype.type(0), array.dtype.type(0)
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ModelError(
            "finite activations",
            f"NaN or infinity in {name!r}",
            where="calibration",
            remedy="Check the model's weights and the preprocessing.",
        )
    return low, high


def _wider(known: Extremes | None, found: Extremes) -> Extremes:
    if known is None:
        return found
    return min(known[0], found[0]), max(known[1], found[1])


def range_exponent(largest: float) -> int:
    """Return the least e with ``largest`` < 2^e, at least -100.

    >>> range_exponent(0.75), range_exponent(1.0), range_exponent(0.0)
    (0, 1, -100)
    """
    return max(int(np.frexp(largest)[1]), _LEAST_EXPONENT) if largest else _LEAST_EXPONENT


def dyadic_edges(exponent: int, *, bins: int, signed: bool) -> NDArray[np.float64]:
    """Return the edges (bins + 1,) of equal bins over [-2^e, 2^e) or [0, 2^e).

    >>> dyadic_edges(1, bins=4, signed=True).tolist()
    [-2.0, -1.0, 0.0, 1.0, 2.0]
    """
    return np.linspace(-np.exp2(exponent) if signed else 0.0, np.exp2(exponent), bins + 1)


def dyadic_counts(values: NDArray[np.floating], exponent: int, *, bins: int, signed: bool) -> NDArray[np.int64]:
    """Return how many values, all of them within the range, lie in each bin of :func:`dyadic_edges`.

    ``bins`` is a power of two, so scaling is exact: bin i holds edges[i] <= x < edges[i + 1].

    >>> dyadic_counts(np.array([-2.0, 0.0, 0.5, 1.5], np.float32), 1, bins=4, signed=True).tolist()
    [1, 0, 2, 1]
    """
    flat = values.reshape(-1)
    half = bins // 2 if signed else 0
    scale = np.float32(np.ldexp(1.0, -exponent) * (bins - half))
    # A tiny negative value must not become zero, as it could in single precision: its bin is the one below.
    precision = np.float64 if signed else np.float32
    counts = np.zeros(bins, np.int64)
    for start in range(0, flat.size, _BLOCK):
        scaled = np.multiply(flat[start : start + _BLOCK], scale, dtype=precision)
        # Conversion truncates towards zero: right for values that are not negative, and quicker than floor.
        places = (np.floor(scaled) if signed else scaled).astype(np.intp)
        counts += np.bincount(places + half if signed else places, minlength=bins)
    return counts


def coarser(counts: NDArray[np.int64], doublings: int, *, signed: bool) -> NDArray[np.int64]:
    """Return the counts over a range that is doubled so many times, in as many bins.

    >>> coarser(np.array([1, 2, 3, 4]), 1, signed=False).tolist()
    [3, 7, 0, 0]
    >>> coarser(np.array([1, 2, 3, 4]), 1, signed=True).tolist()
    [0, 3, 7, 0]
    """
    if signed:
        low, high = np.split(counts, 2)
        return np.concatenate(
            [coarser(low[::-1], doublings, signed=False)[::-1], coarser(high, doublings, signed=False)]
        )
    merged = np.zeros_like(counts)
    # With as many doublings as bins have bits, all is in the first bin.
    width = min(1 << min(doublings, 62), len(counts))
    sums = counts.reshape(-1, width).sum(axis=1)
    merged[: len(sums)] = sums
    return merged
