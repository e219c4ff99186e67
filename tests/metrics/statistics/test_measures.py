"""Measures: a value with the interval it owes its reader, or no value and the reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from compress_onnx.metrics.statistics.intervals import paired_difference
from compress_onnx.metrics.statistics.measures import mean, paired_change, proportion
from compress_onnx.metrics.statistics.paired import PairedCounts
from compress_onnx.records.base import Better

CELLS = st.integers(0, 500)


@given(CELLS, CELLS)
def test_a_proportion_has_the_exact_interval_of_its_counts(successes: int, failures: int) -> None:
    n = successes + failures
    measure = proportion(successes, n, better=Better.LOWER, nothing="nobody came")
    if n == 0:
        assert (measure.value, measure.undefined_reason, measure.interval) == (None, "nobody came", None)
        return
    reference = stats.binomtest(successes, n).proportion_ci(method="exact")
    assert (measure.value, measure.n, measure.unit) == (successes / n, n, "fraction")
    assert (measure.interval.low, measure.interval.high) == pytest.approx((reference.low, reference.high), abs=1e-9)


@given(st.builds(PairedCounts, CELLS, CELLS, CELLS, CELLS))
def test_a_change_is_candidate_minus_baseline_within_its_paired_interval(counts: PairedCounts) -> None:
    change = paired_change(counts, level=0.9)
    if counts.n == 0:
        assert (change.value, change.undefined_reason) == (None, "there are no samples")
        return
    assert change.value == pytest.approx(counts.candidate / counts.n - counts.baseline / counts.n)
    assert change.interval == paired_difference(counts, 0.9)
    assert change.interval.low <= change.value <= change.interval.high


@given(arrays(np.float64, st.integers(0, 20), elements=st.floats(-1, 1)))
def test_a_mean_has_a_t_interval_cut_at_what_it_can_be(values: NDArray[np.float64]) -> None:
    measure = mean(values, unit="nats", better=Better.NEITHER, bounds=(-1, 1), nothing="nobody came")
    if len(values) == 0:
        assert (measure.value, measure.undefined_reason) == (None, "nobody came")
        return
    assert measure.value == pytest.approx(values.sum() / len(values))
    assert (measure.interval is None) == (len(values) == 1)
    if measure.interval is not None:
        assert -1 <= measure.interval.low <= measure.interval.high <= 1
