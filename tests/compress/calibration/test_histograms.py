"""Counts that do not depend on order, against NumPy's histogram of all values at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from compress_onnx.compress.calibration.histograms import (
    DyadicCollector,
    MinMaxCollector,
    coarser,
    collector_for,
    dyadic_counts,
    dyadic_edges,
    range_exponent,
)
from compress_onnx.errors import ModelError

Values = NDArray[np.float32]
ANY = arrays.arrays(
    np.float32,
    st.integers(0, 40),
    elements=st.floats(-(2.0**100), 2.0**100, width=32) | st.floats(-2, 2, width=32) | st.just(0.0),
)


@given(values=ANY, signed=st.booleans())
def test_counts_are_those_of_a_naive_search_of_the_edges(values: Values, signed: bool) -> None:  # noqa: FBT001  # drawn
    values = values if signed else np.abs(values)
    exponent = range_exponent(float(np.abs(values).max(initial=0)))
    edges = dyadic_edges(exponent, bins=16, signed=signed)
    naive = np.bincount(np.searchsorted(edges, values.astype(np.float64), side="right") - 1, minlength=16)
    assert dyadic_counts(values, exponent, bins=16, signed=signed).tolist() == naive.tolist()


@given(values=ANY, extra=st.integers(0, 200), signed=st.booleans())
def test_a_wider_range_gives_the_counts_that_it_would_have_given_at_once(
    values: Values,
    extra: int,
    signed: bool,  # noqa: FBT001  # drawn
) -> None:
    values = values if signed else np.abs(values)
    exponent = range_exponent(float(np.abs(values).max(initial=0)))
    extra = min(extra, 127 - exponent)
    counts = dyadic_counts(values, exponent, bins=16, signed=signed)
    at_once = dyadic_counts(values, exponent + extra, bins=16, signed=signed)
    assert coarser(counts, extra, signed=signed).tolist() == at_once.tolist()


@given(chunks=st.lists(ANY, min_size=1, max_size=5), method=st.sampled_from(["entropy", "percentile"]))
def test_counts_do_not_depend_on_order_or_chunks(chunks: list[Values], method: str) -> None:
    kept = [chunk for chunk in chunks if chunk.size] or [np.zeros(1, np.float32)]
    histograms = []
    for feeds in ([[np.concatenate(kept)]], [[chunk] for chunk in kept], [kept[::-1]]):
        collector = DyadicCollector(method)
        for feed in feeds:
            collector.collect({"t": feed})
        histograms.append(collector.histogram_dict["t"])
    first = histograms[0]
    assert first[0].sum() == sum(chunk.size for chunk in kept)
    for other in histograms[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@given(chunks=st.lists(ANY.filter(len), min_size=1, max_size=5))
def test_extremes_are_those_of_all_values(chunks: list[Values]) -> None:
    collector = MinMaxCollector()
    for chunk in chunks:
        collector.collect({"t": [chunk]})
    values = np.concatenate(chunks)
    assert collector.compute_collection_result() == {"t": (values.min(), values.max())}


def test_the_percentile_cuts_an_outlier_and_entropy_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    values = np.append(np.random.default_rng(0).uniform(-1, 1, 1_000_000), 1000).astype(np.float32)
    found = {}
    for method in ("minmax", "entropy", "percentile"):
        collector = collector_for(method)
        collector.collect({"t": [values]})
        found[method] = [float(value) for value in collector.compute_collection_result()["t"][:2]]
    assert found["minmax"] == found["entropy"] == [values.min(), 1000]
    assert found["percentile"][1] < 2


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_by_name(method: str, bad: float) -> None:
    with pytest.raises(ModelError, match="finite activations, got NaN or infinity in 't'"):
        collector_for(method).collect({"t": [np.array([1, bad, 2], np.float32)]})


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_a_tensor_of_zeros_or_without_values_has_the_range_zero(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    collector = collector_for(method)
    collector.collect({"zeros": [np.zeros(5, np.float32)], "small": [np.full(5, 1e-40, np.float32)]})
    low, high = collector.compute_collection_result()["zeros"][:2]
    assert (low, high) == (0, 0)
    assert collector.compute_collection_result()["small"][1] <= np.float32(1e-40)
