"""Decide a policy's rules on a run: non-inferiority by interval, never "no significant difference"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compress_onnx.gate.limits import check_limit
from compress_onnx.gate.measured import measures
from compress_onnx.gate.names import resolved
from compress_onnx.gate.policy import DecideOn, Policy, Rule
from compress_onnx.gate.sample_size import deciding_size
from compress_onnx.gate.worst import WORST
from compress_onnx.records import Comparison, GateCheck, Measure, Outcome, RunRecord, Verdict


def decide(record: RunRecord, policy: Policy) -> Verdict:
    """Return the verdict of a policy on every candidate of a run.

    Errors
    ------
    UnknownNameError
        if a rule names a measure that the run does not have; near names are in the sentence.
    PolicyError
        if a limit makes no sense for its measure; what was probably meant is in the sentence.
    """
    checks = tuple(check for comparison in record.comparisons for check in _checks(policy, comparison))
    return Verdict(
        outcome=overall([check.outcome for check in checks]),
        policy_sha256=policy.sha256,
        checks=checks,
        warnings=(*_target_warnings(record, policy), *_class_warnings(record, policy)),
    )


def overall(outcomes: Iterable[Outcome]) -> Outcome:
    """Return ``fail`` if one fails, else ``inconclusive`` if one is or there is none, else ``pass``.

    >>> overall([Outcome.PASS, Outcome.INCONCLUSIVE]).value
    'inconclusive'
    """
    kinds = set(outcomes)
    if Outcome.FAIL in kinds:
        return Outcome.FAIL
    return Outcome.PASS if kinds == {Outcome.PASS} else Outcome.INCONCLUSIVE


def _checks(policy: Policy, comparison: Comparison) -> list[GateCheck]:
    named = measures(comparison)
    return [_check(rule, comparison, named) for rule in policy.rules]


def _check(rule: Rule, comparison: Comparison, named: Mapping[str, Measure]) -> GateCheck:
    name = resolved(rule.metric, named)
    measure = named[name]
    check_limit(rule, name, measure)
    outcome, reason = judged(rule, measure)
    needed = deciding_size(rule, name, measure, comparison) if outcome is Outcome.INCONCLUSIVE else None
    return GateCheck(
        rule=str(rule),
        candidate=comparison.candidate_name,
        observed=measure.value,
        interval=measure.interval,
        outcome=outcome,
        reason=reason if name != WORST else _with_class(reason, measure, comparison),
        samples_needed=needed.total if needed else None,
        samples_more=needed.more if needed else None,
        advice=needed.advice if needed else "",
    )


def judged(rule: Rule, measure: Measure) -> tuple[Outcome, str]:
    """Return a rule's outcome on a measure, and why in words."""
    if measure.value is None:
        return Outcome.INCONCLUSIVE, measure.undefined_reason or "not measured"
    if rule.decide_on is DecideOn.ESTIMATE:
        good = rule.slack(measure.value) >= 0
        where = "within" if good else "beyond"
        return (Outcome.PASS if good else Outcome.FAIL), f"the estimate {measure.value:.4g} lies {where} the limit"
    if measure.interval is None:
        return Outcome.INCONCLUSIVE, 'the measure has no interval: use decide_on = "estimate"'
    slacks = (rule.slack(measure.interval.low), rule.slack(measure.interval.high))
    shown = f"[{measure.interval.low:.4g}, {measure.interval.high:.4g}]"
    if min(slacks) >= 0:
        return Outcome.PASS, f"the whole interval {shown} lies within the limit"
    if max(slacks) < 0:
        return Outcome.FAIL, f"the whole interval {shown} lies beyond the limit"
    return Outcome.INCONCLUSIVE, f"the interval {shown} holds the limit"


def _with_class(reason: str, measure: Measure, comparison: Comparison) -> str:
    """Name the class that lost most."""
    losers = [result for result in comparison.classes if result.change.value == measure.value]
    if measure.value is None or not losers:
        return reason
    loser = max(losers, key=lambda result: result.support)
    return f"{loser.class_name} lost most ({loser.support:,} images); {reason}"


def _target_warnings(record: RunRecord, policy: Policy) -> tuple[str, ...]:
    measured = record.environment.cpu_target
    if policy.target_cpu in {None, measured}:
        return ()
    mismatch = f"The policy is for {policy.target_cpu}, this run was made on {measured}"
    return (f"{mismatch}: predictions and speed can differ between the two. Make the run again on the target.",)


def _class_warnings(record: RunRecord, policy: Policy) -> tuple[str, ...]:
    """Say which classes a rule on the worst class cannot speak of."""
    if not record.comparisons or all(rule.metric != WORST for rule in policy.rules):
        return ()
    classes = record.comparisons[0].classes
    empty = [result.class_name for result in classes if result.support == 0]
    if not empty or len(empty) == len(classes):
        return ()
    shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
    return (f"{WORST} says nothing of {len(empty)} classes that have no samples here: {shown}.",)
