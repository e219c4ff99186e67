"""How many samples decide: checked by computing the interval again at that number."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from compress_onnx.gate.policy import Rule
from compress_onnx.gate.samples import MOST, Evidence, enough
from compress_onnx.gate.verdict import judged
from compress_onnx.metrics.statistics.measures import paired_change, proportion
from compress_onnx.metrics.statistics.paired import PairedCounts
from compress_onnx.records.base import Better, Interval, Measure
from compress_onnx.records.verdict import Outcome

AT_MOST = Rule(metric="flips.rate", at_most=0.02)
values = st.floats(-0.5, 0.5)
widths = st.floats(1e-3, 0.3)


@given(value=values, reaches=st.tuples(widths, widths), limit=values, n=st.integers(10, 10**6), upper=st.booleans())
def test_any_interval_is_taken_to_shrink_with_the_root_of_n(
    value: float, reaches: tuple[float, float], limit: float, n: int, *, upper: bool
) -> None:
    below, above = reaches
    interval = Interval(low=value - below, high=value + above, level=0.95, method="by hand")
    measured = Measure(value=value, unit="apples", better=Better.NEITHER, n=n, interval=interval)
    rule = Rule(metric="m", at_most=limit) if upper else Rule(metric="m", at_least=limit)
    distance = abs(limit - value)
    assume(distance > 1e-6)
    needed = enough(rule, Evidence(measure=measured))
    exact = n * ((above if limit > value else below) / distance) ** 2
    if needed is None:
        assert exact > MOST / 2
        return
    assert needed == pytest.approx(max(n, exact), rel=1e-6, abs=1.5)


@given(n=st.integers(50, 5_000), share=st.floats(0, 0.08), limit=st.floats(0.01, 0.06))
def test_a_proportion_is_decided_at_the_number(n: int, share: float, limit: float) -> None:
    count = round(share * n)
    rule = Rule(metric="flips.rate", at_most=limit)
    measured = proportion(count, n, better=Better.LOWER)
    assume(judged(rule, measured)[0] is Outcome.INCONCLUSIVE)
    assume(abs(count / n - limit) > limit / 50)
    needed = enough(rule, Evidence(measure=measured))
    assert needed is not None
    rounded = math.ceil if count / n < limit else math.floor

    def decided(size: int) -> bool:
        flips = rounded(round(count * size / n, 6))
        exact = stats.binomtest(flips, size).proportion_ci(method="exact")
        return not exact.low <= limit < exact.high

    # Counts are whole: one sample more stands against the decision.
    assert (decided(needed - 1), decided(needed)) == (False, True)


@given(n=st.integers(200, 5_000), lost=st.integers(0, 40), won=st.integers(0, 40))
def test_a_paired_change_is_decided_at_the_number(n: int, lost: int, won: int) -> None:
    counts = PairedCounts(both=n - 100, only_baseline=lost, only_candidate=won, neither=100 - lost - won)
    rule = Rule(metric="accuracy.change", at_least=-0.01)
    measured = paired_change(counts)
    assume(judged(rule, measured)[0] is Outcome.INCONCLUSIVE)
    assume(abs((measured.value or 0) + 0.01) > 1e-3)
    needed = enough(rule, Evidence(measure=measured, counts=counts))
    assert needed is not None
    assert needed > n
    loses_much = lost - won > n / 100
    outcomes = [judged(rule, _grown(counts, size, more_lost=not loses_much))[0] for size in (needed - 1, needed)]
    assert (outcomes[0] is Outcome.INCONCLUSIVE, outcomes[1] is Outcome.INCONCLUSIVE) == (True, False)


def _grown(counts: PairedCounts, n: int, *, more_lost: bool) -> Measure:
    """The change at n images of the same proportions, rounded so that more, or fewer, are lost on balance."""
    up, down = (lambda x: math.ceil(x - 1e-6)), (lambda x: math.floor(x + 1e-6))
    factor = n / counts.n
    lost = (up if more_lost else down)(factor * counts.only_baseline)
    won = (down if more_lost else up)(factor * counts.only_candidate)
    both = min(round(factor * counts.both), n - lost - won)
    return paired_change(PairedCounts(both=both, only_baseline=lost, only_candidate=won, neither=n - lost - won - both))


def test_the_interval_says_how_many_flawless_images_allow_two_per_cent() -> None:
    # Without a flip the exact upper bound is the p at which (1 - p)^n is 2.5 %.
    needed = enough(AT_MOST, Evidence(measure=proportion(0, 10, better=Better.LOWER)))
    assert needed == math.ceil(math.log(0.025) / math.log(1 - 0.02))


@pytest.mark.parametrize("limit", [0.02, 0.02 + 1e-17, math.nextafter(0.02, 1)])
def test_no_number_decides_an_estimate_on_the_limit(limit: float, made: Any) -> None:
    assert enough(Rule(metric="m", at_most=limit), Evidence(measure=made.measure(0.02, 0.01, 0.03))) is None


def test_no_number_is_named_without_interval_or_samples(made: Any) -> None:
    for measured in (made.measure(0.0), made.measure(None), made.measure(0.0, -0.1, 0.1, n=0)):
        assert enough(AT_MOST, Evidence(measure=measured)) is None


def test_more_than_anybody_labels_is_no_number(made: Any) -> None:
    assert enough(AT_MOST, Evidence(measure=made.measure(0.0199999, 0.01, 0.03))) is None
