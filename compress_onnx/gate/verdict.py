"""Decide a policy's rules on a run: non-inferiority by interval, never "no significant difference"."""

from __future__ import annotations

import math

from compress_onnx.gate.measures import measures
from compress_onnx.gate.policy import DecideOn, Policy, Rule
from compress_onnx.records import Comparison, GateCheck, Measure, Outcome, RunRecord, Verdict
from compress_onnx.registry import unknown

# Far above what rounding does to a fraction, far below what any number of images can tell apart.
_ROUNDING = 1e-12


def decide(record: RunRecord, policy: Policy) -> Verdict:
    """Return the verdict of a policy on every candidate of a run.

    Errors
    ------
    UnknownNameError
        if a rule names a measure that the run does not have; near names are in the sentence.
    """
    checks = tuple(_check(rule, comparison) for comparison in record.comparisons for rule in policy.rules)
    return Verdict(outcome=overall([check.outcome for check in checks]), policy_sha256=policy.sha256, checks=checks)


def overall(outcomes: list[Outcome]) -> Outcome:
    """Return ``fail`` if one fails, else ``inconclusive`` if one is or there is none, else ``pass``.

    >>> overall([Outcome.PASS, Outcome.INCONCLUSIVE]).value
    'inconclusive'
    """
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    return Outcome.PASS if set(outcomes) == {Outcome.PASS} else Outcome.INCONCLUSIVE


def _check(rule: Rule, comparison: Comparison) -> GateCheck:
    known = measures(comparison)
    if rule.metric not in known:
        raise unknown("measure of this run", rule.metric, known, where="policy")
    measure = known[rule.metric]
    outcome, reason = judged(rule, measure)
    return GateCheck(
        rule=str(rule),
        candidate=comparison.candidate_name,
        observed=measure.value,
        interval=measure.interval,
        outcome=outcome,
        reason=reason,
        samples_needed=samples_needed(rule, measure) if outcome is Outcome.INCONCLUSIVE else None,
    )


def judged(rule: Rule, measure: Measure) -> tuple[Outcome, str]:
    """Return a rule's outcome on a measure, and why in words."""
    if measure.value is None:
        return Outcome.INCONCLUSIVE, measure.undefined_reason or "not measured"
    if rule.decide_on is DecideOn.ESTIMATE:
        good = _slack(rule, measure.value) >= 0
        return (Outcome.PASS if good else Outcome.FAIL), f"the estimate is {measure.value:.4g}"
    if measure.interval is None:
        return Outcome.INCONCLUSIVE, 'the measure has no interval: use decide_on = "estimate"'
    slacks = (_slack(rule, measure.interval.low), _slack(rule, measure.interval.high))
    shown = f"[{measure.interval.low:.4g}, {measure.interval.high:.4g}]"
    if min(slacks) >= 0:
        return Outcome.PASS, f"the whole interval {shown} lies within the limit"
    if max(slacks) < 0:
        return Outcome.FAIL, f"the whole interval {shown} lies beyond the limit"
    return Outcome.INCONCLUSIVE, f"the interval {shown} holds the limit"


def _slack(rule: Rule, value: float) -> float:
    """Return how far a value lies within the limit; negative beyond it."""
    if rule.at_most is not None:
        return rule.at_most - value
    return value - (rule.at_least or 0.0)


def samples_needed(rule: Rule, measure: Measure) -> int | None:
    """Return about how many samples in all would decide the rule if the estimate stayed where it is.

    An interval's width falls with the square root of n: n · (half width / distance to the limit)².
    ``None`` where the estimate lies on the limit, but for rounding, or there is no interval.
    """
    if measure.value is None or measure.interval is None or measure.n == 0:
        return None
    distance = _slack(rule, measure.value)
    towards_limit = measure.interval.high if (rule.at_most is not None) == (distance >= 0) else measure.interval.low
    reach = abs(towards_limit - measure.value)
    return None if abs(distance) < _ROUNDING else math.ceil(measure.n * (reach / distance) ** 2)
