"""Verdicts: by interval or estimate, for one rule and for all, and how many samples would decide."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import UnknownNameError
from compress_onnx.gate.policy import DecideOn, Policy, Rule
from compress_onnx.gate.verdict import decide, judged, overall, samples_needed
from compress_onnx.records import Better, Interval, Measure, Outcome

AT_MOST = Rule(metric="flips.rate", at_most=0.02)
AT_LEAST = Rule(metric="accuracy.change", at_least=-0.01)


@pytest.mark.parametrize(
    ("rule", "bounds", "outcome"),
    [
        (AT_MOST, (0.005, 0.015), Outcome.PASS),
        (AT_MOST, (0.005, 0.02), Outcome.PASS),
        (AT_MOST, (0.005, 0.0201), Outcome.INCONCLUSIVE),
        (AT_MOST, (0.02, 0.03), Outcome.INCONCLUSIVE),
        (AT_MOST, (0.0201, 0.03), Outcome.FAIL),
        (AT_LEAST, (-0.005, 0.005), Outcome.PASS),
        (AT_LEAST, (-0.01, 0.0), Outcome.PASS),
        (AT_LEAST, (-0.011, 0.02), Outcome.INCONCLUSIVE),
        (AT_LEAST, (-0.03, -0.01), Outcome.INCONCLUSIVE),
        (AT_LEAST, (-0.03, -0.0101), Outcome.FAIL),
    ],
)
def test_the_whole_interval_decides(rule: Rule, bounds: tuple[float, float], outcome: Outcome, made: Any) -> None:
    found, reason = judged(rule, made.measure(sum(bounds) / 2, *bounds))
    assert found is outcome
    assert f"[{bounds[0]:.4g}, {bounds[1]:.4g}]" in reason


@pytest.mark.parametrize(
    ("rule", "value", "outcome"),
    [
        (AT_MOST, 0.02, Outcome.PASS),
        (AT_MOST, 0.021, Outcome.FAIL),
        (AT_LEAST, -0.01, Outcome.PASS),
        (AT_LEAST, -0.02, Outcome.FAIL),
    ],
)
def test_the_estimate_decides_where_asked(rule: Rule, value: float, outcome: Outcome, made: Any) -> None:
    asked = Rule(metric=rule.metric, at_most=rule.at_most, at_least=rule.at_least, decide_on=DecideOn.ESTIMATE)
    assert judged(asked, made.measure(value, value - 1, value + 1))[0] is outcome


def test_a_measure_without_interval_is_inconclusive_and_says_what_to_do(made: Any) -> None:
    outcome, reason = judged(AT_MOST, made.measure(0.0))
    assert outcome is Outcome.INCONCLUSIVE
    assert 'decide_on = "estimate"' in reason


@pytest.mark.parametrize("decide_on", list(DecideOn))
def test_an_undefined_measure_is_inconclusive_for_its_own_reason(decide_on: DecideOn, made: Any) -> None:
    rule = Rule(metric="flips.rate", at_most=1.0, decide_on=decide_on)
    assert judged(rule, made.measure(None)) == (Outcome.INCONCLUSIVE, "nobody looked")


@pytest.mark.parametrize("outcomes", list(itertools.product(Outcome, repeat=3)))
def test_one_failure_fails_all_and_one_doubt_leaves_all_in_doubt(outcomes: tuple[Outcome, ...]) -> None:
    found = overall(list(outcomes))
    assert (found is Outcome.FAIL) == (Outcome.FAIL in outcomes)
    assert (found is Outcome.PASS) == (set(outcomes) == {Outcome.PASS})


def test_nothing_judged_is_no_pass(made: Any) -> None:
    assert overall([]) is Outcome.INCONCLUSIVE
    assert decide(made.record(), Policy(rules=(AT_MOST,), sha256="3" * 64)).outcome is Outcome.INCONCLUSIVE


def test_every_rule_meets_every_candidate(made: Any) -> None:
    record = made.record(made.comparison("one"), made.comparison("two"))
    verdict = decide(record, Policy(rules=(AT_MOST, AT_LEAST), sha256="3" * 64))
    assert [(check.candidate, check.rule) for check in verdict.checks] == [
        (name, str(rule)) for name in ("one", "two") for rule in (AT_MOST, AT_LEAST)
    ]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.policy_sha256 == "3" * 64
    first = verdict.checks[1]
    assert first.observed == -0.005
    # Reach 0.007 towards the limit, 0.005 away: 1000 * (7/5)^2.
    assert first.samples_needed == pytest.approx(1960, abs=1)


def test_samples_are_only_asked_for_in_doubt(made: Any) -> None:
    record = made.record(made.comparison())
    checks = decide(record, Policy(rules=(Rule(metric="flips.rate", at_most=1.0),), sha256="3" * 64)).checks
    assert [check.samples_needed for check in checks] == [None]


def test_an_unknown_measure_is_answered_with_near_names(made: Any) -> None:
    policy = Policy(rules=(Rule(metric="flip.rate", at_most=1.0),), sha256="3" * 64)
    with pytest.raises(UnknownNameError, match=r"Did you mean flips\.rate"):
        decide(made.record(made.comparison()), policy)


values = st.floats(-0.5, 0.5)
widths = st.floats(1e-3, 0.3)


@given(value=values, reaches=st.tuples(widths, widths), limit=values, n=st.integers(10, 10**6), upper=st.booleans())
def test_at_the_needed_number_the_interval_just_touches_the_limit(
    value: float, reaches: tuple[float, float], limit: float, n: int, *, upper: bool
) -> None:
    below, above = reaches
    interval = Interval(low=value - below, high=value + above, level=0.95, method="by hand")
    measured = Measure(value=value, unit="fraction", better=Better.NEITHER, n=n, interval=interval)
    rule = Rule(metric="m", at_most=limit) if upper else Rule(metric="m", at_least=limit)
    needed = samples_needed(rule, measured)
    distance = abs(limit - value)
    if needed is None:
        assert distance < 1e-12
        return
    reach = above if limit > value else below
    if distance > 1e-6:
        assert reach * math.sqrt(n / needed) <= distance * (1 + 1e-6)
        if needed > 1:
            assert reach * math.sqrt(n / (needed - 1)) >= distance * (1 - 1e-6)
    in_doubt = judged(rule, measured)[0] is Outcome.INCONCLUSIVE
    if in_doubt and distance > 1e-6:
        assert needed >= n


@pytest.mark.parametrize("limit", [0.02, 0.02 + 1e-17, math.nextafter(0.02, 1)])
def test_no_number_decides_an_estimate_on_the_limit(limit: float, made: Any) -> None:
    assert samples_needed(Rule(metric="m", at_most=limit), made.measure(0.02, 0.01, 0.03)) is None


def test_no_number_is_named_without_interval_or_samples(made: Any) -> None:
    assert samples_needed(AT_MOST, made.measure(0.0)) is None
    assert samples_needed(AT_MOST, made.measure(None)) is None
    assert samples_needed(AT_MOST, made.measure(0.0, -0.1, 0.1, n=0)) is None
