"""Against a previous run: no measure of the policy may get worse beyond noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from compress_onnx.gate.measured import measures
from compress_onnx.gate.names import resolved
from compress_onnx.gate.policy import DecideOn, Rule
from compress_onnx.gate.shift import Columns, class_shifts, paired_shift, unpaired_shift
from compress_onnx.gate.worst import WORST, sampled, worst_class_change
from compress_onnx.records import Better, CheckKind, ClassResult, Comparison, GateCheck, Measure, Outcome


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One candidate of one run; ``columns`` are its rows of ``samples.parquet``, where they may be paired."""

    run_id: str
    comparison: Comparison
    columns: Columns | None


def regression_checks(rules: Sequence[Rule], now: Side, previous: Side, class_names: Sequence[str]) -> list[GateCheck]:
    """Return one check per measure that the rules name: it fails where the measure got worse beyond noise.

    Noise is the interval of *now minus previous*: paired where both sides have columns and the
    measure is a mean over images, else the two measures' own intervals combined as if independent.
    A pass says how much worse the measure may still be; it is no proof that nothing changed. For
    ``classes.worst.change`` on the same images the question is asked of every class that is now
    below the previous worst: it fails where one fell beyond noise, at a level corrected for the
    number of all classes.

    Errors
    ------
    UnknownNameError
        if one of the runs does not have a measure.
    """
    named = measures(now.comparison), measures(previous.comparison)
    unique = {rule.metric: rule for rule in rules}
    return [_check(rule, named, (now, previous), class_names) for rule in unique.values()]


def _check(
    rule: Rule, named: tuple[dict[str, Measure], ...], sides: tuple[Side, Side], class_names: Sequence[str]
) -> GateCheck:
    name = resolved(rule.metric, named[0])
    after, before = named[0][name], named[1][resolved(rule.metric, named[1])]
    moved = _shift(name, (after, before), sides, class_names)
    outcome, words = _judged(rule, after, moved)
    values = "" if None in {before.value, after.value} else f"was {before.value:.4g}, is {after.value:.4g}: "
    return GateCheck(
        rule=f"{rule.metric} no worse than in {sides[1].run_id}",
        candidate=sides[0].comparison.candidate_name,
        observed=moved.by.value,
        interval=moved.by.interval,
        outcome=outcome,
        reason=f"{values}{words} ({moved.how})",
        samples_needed=None,
        advice="" if outcome is not Outcome.INCONCLUSIVE else "no number of images decides it",
        kind=CheckKind.REGRESSION,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Shift:
    """How far something moved, what it is, and how both runs were compared."""

    by: Measure
    how: str
    what: str = "it"


def _shift(name: str, values: tuple[Measure, Measure], sides: tuple[Side, Side], class_names: Sequence[str]) -> _Shift:
    now, previous = sides
    if any(measure.value is None for measure in values):
        return _Shift(by=unpaired_shift(*values), how="undefined in one of the runs")
    if now.columns is None or previous.columns is None:
        return _Shift(by=unpaired_shift(*values), how="unpaired: other images, or no samples.parquet")
    if name == WORST:
        fallen = _fallen(
            class_shifts(now.columns, previous.columns, class_names), now.comparison, values[1].value or 0.0
        )
        return fallen or _Shift(by=unpaired_shift(*values), how="unpaired: no class is now below the earlier worst")
    paired = paired_shift(name, now.columns, previous.columns, class_names)
    if paired is None:
        return _Shift(by=unpaired_shift(*values), how="unpaired: this measure is no mean over images")
    return _Shift(by=paired, how=f"paired on {paired.n:,} images")


def _fallen(shifts: Sequence[ClassResult], now: Comparison, previous_worst: float) -> _Shift | None:
    """Return the largest fall among the classes that are now worse than the worst one was."""
    worse = {r.class_name for r in now.classes if r.change.value is not None and r.change.value < previous_worst}
    below = [shift for shift in sampled(shifts) if shift.class_name in worse]
    if not below:
        return None
    classes = len(sampled(shifts))
    fell = worst_class_change(below, chosen_from=classes)
    most = next(shift.class_name for shift in below if shift.change.value == fell.value)
    return _Shift(by=fell, how=f"paired on {fell.n:,} images, corrected for {classes} classes", what=most)


def _judged(rule: Rule, measure: Measure, shift: _Shift) -> tuple[Outcome, str]:
    moved = shift.by
    if moved.value is None:
        return Outcome.INCONCLUSIVE, moved.undefined_reason or "not measured"
    worse = 1 if _worse_when_higher(rule, measure) else -1
    if moved.interval is None and rule.decide_on is DecideOn.INTERVAL:
        return (
            Outcome.INCONCLUSIVE,
            f"{shift.what} changed by {moved.value:+.4g}, and without an interval noise is unknown",
        )
    if moved.interval is None:
        outcome = Outcome.FAIL if worse * moved.value > 0 else Outcome.PASS
        return outcome, f"{shift.what} changed by {moved.value:+.4g}, by estimate"
    least, most = sorted((worse * moved.interval.low, worse * moved.interval.high))
    shown = f"{shift.what} changed by {moved.value:+.4g} [{moved.interval.low:+.4g}, {moved.interval.high:+.4g}]"
    if least > 0:
        return Outcome.FAIL, f"{shown}, worse beyond noise"
    if most < 0:
        return Outcome.PASS, f"{shown}, better beyond noise"
    excluded = f"; worse by up to {most:.4g} is not excluded" if most > 0 else ""
    return Outcome.PASS, f"{shown}, within noise{excluded}"


def _worse_when_higher(rule: Rule, measure: Measure) -> bool:
    if measure.better is Better.NEITHER:
        return rule.at_most is not None
    return measure.better is Better.LOWER
