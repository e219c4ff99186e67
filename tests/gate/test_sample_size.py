"""What an inconclusive rule needs: a number of images at which the interval, computed again, decides, or why none does."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from compress_onnx.gate.policy import Policy, Rule
from compress_onnx.gate.sample_size import MOST, Evidence, deciding_n
from compress_onnx.gate.verdict import decide, judged
from compress_onnx.metrics.statistics.measures import NO_LABELS, paired_change, proportion
from compress_onnx.metrics.statistics.paired import PairedCounts
from compress_onnx.records.base import Better, Interval, Measure, undefined
from compress_onnx.records.verdict import GateCheck, Outcome

AT_MOST = Rule(metric="flips.rate", at_most=0.02)
values = st.floats(-0.5, 0.5)
widths = st.floats(1e-3, 0.3)
WORST = Rule(metric="classes.worst.change", at_least=-0.05)


def _check(made: Any, rule: Rule, **changes: Any) -> GateCheck:
    verdict = decide(made.record(made.comparison(**changes)), Policy(rules=(rule,), sha256="3" * 64))
    (check,) = verdict.checks
    return check


def _advised(check: GateCheck) -> bool:
    hopeless = check.samples_needed is None and check.advice.startswith("no number of images decides it: ")
    counted = check.samples_needed is not None and f"{check.samples_more:,} more" in check.advice
    return hopeless or counted


def test_accuracy_asks_for_images_in_all_and_more(made: Any) -> None:
    parts = made.counted(both=900, only_baseline=20, only_candidate=15, neither=65)
    check = _check(made, Rule(metric="accuracy.change", at_least=-0.01), **parts)
    assert check.outcome is Outcome.INCONCLUSIVE
    assert check.samples_needed is not None
    assert check.samples_more == check.samples_needed - 1000
    assert check.advice == (
        f"about {check.samples_more:,} more images ({check.samples_needed:,} in all) "
        "would decide it if the estimate stayed"
    )


def test_a_class_asks_for_its_own_images_and_by_its_share_for_all(made: Any) -> None:
    results = (made.counted_class("stop", n=100, lost=2), made.counted_class("go", n=900, lost=0))
    check = _check(made, Rule(metric="classes.stop.change", at_least=-0.05), classes=results)
    assert check.outcome is Outcome.INCONCLUSIVE
    assert "more images of class stop" in check.advice
    assert "share of 10.00%" in check.advice
    assert check.samples_needed is not None
    assert check.samples_needed % 10 == 0


def test_the_worst_class_asks_for_what_the_most_doubtful_class_needs(made: Any) -> None:
    small, large = made.counted_class("small", n=30, lost=0), made.counted_class("large", n=200, lost=5)
    alone = {
        result.class_name: _check(
            made, Rule(metric=f"classes.{result.class_name}.change", at_least=-0.05), classes=(result,)
        )
        for result in (small, large)
    }
    check = _check(made, WORST, classes=(small, large))
    assert check.samples_needed == max(one.samples_needed or 0 for one in alone.values())
    assert "2 classes are in doubt" in check.advice


def test_a_class_beyond_the_limit_asks_for_what_would_convict_it(made: Any) -> None:
    check = _check(made, WORST, classes=(made.counted_class("a", n=60, lost=6), made.counted_class("b", n=60, lost=0)))
    assert check.outcome is Outcome.INCONCLUSIVE
    assert "of class a" in check.advice
    assert check.reason.startswith("a lost most (60 images)")


@pytest.mark.parametrize(
    ("changes", "rule", "says"),
    [
        ("on the limit", Rule(metric="flips.rate", at_most=0.02), "lies on the limit"),
        ("no labels", Rule(metric="accuracy.change", at_least=-0.01), NO_LABELS),
        ("no interval", Rule(metric="extra.mood", at_least=0.1), 'decide_on = "estimate"'),
    ],
)
def test_where_no_number_helps_the_reason_stands_there(changes: str, rule: Rule, says: str, made: Any) -> None:
    parts: dict[str, Any] = {"extra": {"mood": made.measure(0.5)}}
    if changes == "no labels":
        nothing = undefined(NO_LABELS, unit="fraction", better=Better.HIGHER)
        accuracy = made.comparison().accuracy
        parts["accuracy"] = type(accuracy)(baseline=nothing, candidate=nothing, change=nothing)
    check = _check(made, rule, **parts)
    assert check.outcome is Outcome.INCONCLUSIVE
    assert check.samples_needed is None
    assert "no number of images decides it" in check.advice
    assert says in check.reason + check.advice


sizes = st.lists(st.tuples(st.integers(5, 300), st.integers(0, 5)), min_size=1, max_size=4)


@given(sizes=sizes, limit=st.sampled_from([-0.2, -0.05, -0.02]))
def test_every_doubt_is_advised(sizes: list[tuple[int, int]], limit: float, made: Any) -> None:
    results = tuple(
        made.counted_class(str(number), n=n, lost=min(lost, n // 2)) for number, (n, lost) in enumerate(sizes)
    )
    check = _check(made, Rule(metric="classes.worst.change", at_least=limit), classes=results)
    assert (check.outcome is Outcome.INCONCLUSIVE) == _advised(check)


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
    needed = deciding_n(rule, Evidence(measure=measured))
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
    needed = deciding_n(rule, Evidence(measure=measured))
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
    needed = deciding_n(rule, Evidence(measure=measured, counts=counts))
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
    needed = deciding_n(AT_MOST, Evidence(measure=proportion(0, 10, better=Better.LOWER)))
    assert needed == math.ceil(math.log(0.025) / math.log(1 - 0.02))


@pytest.mark.parametrize("limit", [0.02, 0.02 + 1e-17, math.nextafter(0.02, 1)])
def test_no_number_decides_an_estimate_on_the_limit(limit: float, made: Any) -> None:
    assert deciding_n(Rule(metric="m", at_most=limit), Evidence(measure=made.measure(0.02, 0.01, 0.03))) is None


def test_no_number_is_named_without_interval_or_samples(made: Any) -> None:
    for measured in (made.measure(0.0), made.measure(None), made.measure(0.0, -0.1, 0.1, n=0)):
        assert deciding_n(AT_MOST, Evidence(measure=measured)) is None


def test_more_than_anybody_labels_is_no_number(made: Any) -> None:
    assert deciding_n(AT_MOST, Evidence(measure=made.measure(0.0199999, 0.01, 0.03))) is None
