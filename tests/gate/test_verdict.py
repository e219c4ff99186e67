"""Verdicts: by interval or estimate, for one rule and for all, and how many samples would decide."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from compress_onnx.errors import UnknownNameError
from compress_onnx.gate.policy import DecideOn, Policy, Rule
from compress_onnx.gate.verdict import decide, judged, overall
from compress_onnx.records.verdict import Outcome

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
    assert (first.samples_needed, first.samples_more) == (pytest.approx(1960, abs=1), pytest.approx(960, abs=1))
    assert "more images" in first.advice


def test_samples_are_only_asked_for_in_doubt(made: Any) -> None:
    record = made.record(made.comparison())
    checks = decide(record, Policy(rules=(Rule(metric="flips.rate", at_most=1.0),), sha256="3" * 64)).checks
    assert [check.samples_needed for check in checks] == [None]


def test_an_unknown_measure_is_answered_with_near_names(made: Any) -> None:
    policy = Policy(rules=(Rule(metric="flip.rate", at_most=1.0),), sha256="3" * 64)
    with pytest.raises(UnknownNameError, match=r"Did you mean flips\.rate"):
        decide(made.record(made.comparison()), policy)
