"""No worse than an earlier run: worse beyond noise fails, everything else passes and says what it cannot exclude."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from compress_onnx.gate.policy import DecideOn, Rule
from compress_onnx.gate.regression import Side, regression_checks
from compress_onnx.records.base import Better
from compress_onnx.records.verdict import CheckKind, GateCheck, Outcome

FLIPS = Rule(metric="flips.rate", at_most=0.02)
ACCURACY = Rule(metric="accuracy.change", at_least=-0.01)
WORST = Rule(metric="classes.worst.change", at_least=-0.05)


def _columns(right: int, *, n: int = 1000) -> dict[str, Any]:
    """Rows of which the candidate gets the first ``right`` and the baseline all; two classes in turn."""
    labels = np.arange(n) % 2
    after = np.where(np.arange(n) < right, labels, 1 - labels)
    kinds = np.where(after == labels, "same", "negative")
    return {"label": labels, "baseline_class": labels, "candidate_class": after, "flip_kind": kinds}


def _side(made: Any, right: int, *, paired: bool = True) -> Side:
    lost = 1000 - right
    classes = tuple(made.counted_class(name, n=500, lost=lost // 2, right=1.0) for name in ("a", "b"))
    parts = made.counted(both=right, only_baseline=lost, only_candidate=0, neither=0)
    comparison = made.comparison(classes=classes, **parts)
    return Side(run_id="old", comparison=comparison, columns=_columns(right) if paired else None)


def _check(made: Any, rule: Rule, now: int, earlier: int, *, paired: bool = True) -> GateCheck:
    sides = (_side(made, now, paired=paired), _side(made, earlier, paired=paired))
    (check,) = regression_checks([rule], *sides, ("a", "b"))
    return check


@pytest.mark.parametrize("rule", [FLIPS, ACCURACY, WORST], ids=str)
@pytest.mark.parametrize(
    ("runs", "outcome", "says"),
    [
        ((900, 960), Outcome.FAIL, "worse beyond noise"),
        ((960, 900), Outcome.PASS, "noise"),
        ((958, 960), Outcome.PASS, "within noise; worse by up to"),
        ((960, 960), Outcome.PASS, "changed by +0"),
    ],
)
def test_worse_beyond_noise_fails(rule: Rule, runs: tuple[int, int], outcome: Outcome, says: str, made: Any) -> None:
    check = _check(made, rule, *runs)
    assert check.outcome is outcome, check.reason
    assert says in check.reason
    assert (check.kind, check.rule) == (CheckKind.REGRESSION, f"{rule.metric} no worse than in old")


def test_other_images_are_compared_unpaired_and_that_is_said(made: Any) -> None:
    paired, unpaired = (_check(made, ACCURACY, 940, 960, paired=together) for together in (True, False))
    assert "paired on 1,000 images" in paired.reason
    assert "unpaired: other images" in unpaired.reason
    assert paired.outcome is Outcome.FAIL
    assert paired.interval is not None
    assert unpaired.interval is not None
    assert paired.interval.high < unpaired.interval.high


def test_a_class_that_fell_but_is_not_below_the_earlier_worst_does_not_fail(made: Any) -> None:
    now, earlier = _side(made, 960), _side(made, 960)
    # Class a fell from a gain of 10 points to its old self; class b has been worse all along.
    was = (made.counted_class("a", n=500, lost=0, won=50), made.counted_class("b", n=500, lost=60))
    is_now = (made.counted_class("a", n=500, lost=0), made.counted_class("b", n=500, lost=60))
    sides = [
        dataclasses.replace(side, comparison=dataclasses.replace(side.comparison, classes=classes))
        for side, classes in ((now, is_now), (earlier, was))
    ]
    (check,) = regression_checks([WORST], *sides, ("a", "b"))
    assert check.outcome is Outcome.PASS
    assert "no class is now below the earlier worst" in check.reason


def test_the_rule_gives_the_direction_where_the_measure_has_none(made: Any) -> None:
    neither = made.measure(0.5, 0.49, 0.51, better=Better.NEITHER)
    sides = [
        Side(run_id="old", comparison=made.comparison(extra={"mood": measure}), columns=None)
        for measure in (neither, made.measure(0.2, 0.19, 0.21, better=Better.NEITHER))
    ]
    for limit, outcome in (({"at_most": 0.9}, Outcome.FAIL), ({"at_least": 0.1}, Outcome.PASS)):
        (check,) = regression_checks([Rule(metric="extra.mood", **limit)], *sides, ())
        assert check.outcome is outcome


def test_what_has_no_interval_is_in_doubt_unless_the_estimate_is_asked(made: Any) -> None:
    sides = [
        Side(run_id="old", comparison=made.comparison(extra={"mood": made.measure(value)}), columns=None)
        for value in (0.5, 0.6)
    ]
    for decide_on, outcome in ((DecideOn.INTERVAL, Outcome.INCONCLUSIVE), (DecideOn.ESTIMATE, Outcome.FAIL)):
        (check,) = regression_checks([Rule(metric="extra.mood", at_least=0.1, decide_on=decide_on)], *sides, ())
        assert check.outcome is outcome
        assert bool(check.advice) == (outcome is Outcome.INCONCLUSIVE)


def test_a_measure_is_asked_once_however_many_rules_name_it(made: Any) -> None:
    sides = (_side(made, 960), _side(made, 960))
    rules = [FLIPS, dataclasses.replace(FLIPS, at_most=None, at_least=0.0)]
    assert len(regression_checks(rules, *sides, ("a", "b"))) == 1
