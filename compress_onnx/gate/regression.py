"""Against an earlier run: no measure of the policy may get worse beyond noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from compress_onnx.gate.measures import measures
from compress_onnx.gate.names import resolved
from compress_onnx.gate.policy import DecideOn, Rule
from compress_onnx.gate.shift import Columns, paired_shift, unpaired_shift
from compress_onnx.records import Better, CheckKind, Comparison, GateCheck, Measure, Outcome


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One candidate of one run; ``columns`` are its rows of ``samples.parquet``, where they may be paired."""

    run_id: str
    comparison: Comparison
    columns: Columns | None


def regression_checks(rules: Sequence[Rule], now: Side, earlier: Side, class_names: Sequence[str]) -> list[GateCheck]:
    """Return one check per measure that the rules name: it fails where the measure got worse beyond noise.

    Noise is the interval of *now minus earlier*: paired where both sides have columns and the
    measure is a mean over images, else the two measures' own intervals combined as if independent.
    A pass says how much worse the measure may still be; it is no proof that nothing changed.

    Errors
    ------
    UnknownNameError
        if one of the runs does not have a measure.
    """
    after, before = measures(now.comparison), measures(earlier.comparison)
    unique = {rule.metric: rule for rule in rules}
    found = []
    for rule in unique.values():
        name = resolved(rule.metric, after)
        moved, how = _shift(name, (after[name], before[resolved(rule.metric, before)]), (now, earlier), class_names)
        outcome, words = _judged(rule, after[name], moved)
        then, value = before[name].value, after[name].value
        known = "" if then is None or value is None else f"was {then:.4g}, is {value:.4g}: "
        found.append(
            GateCheck(
                rule=f"{rule.metric} no worse than in {earlier.run_id}",
                candidate=now.comparison.candidate_name,
                observed=moved.value,
                interval=moved.interval,
                outcome=outcome,
                reason=f"{known}{words} ({how})",
                samples_needed=None,
                advice="" if outcome is not Outcome.INCONCLUSIVE else f"no number of images decides it: {words}",
                kind=CheckKind.REGRESSION,
            )
        )
    return found


def _shift(
    name: str, values: tuple[Measure, Measure], sides: tuple[Side, Side], class_names: Sequence[str]
) -> tuple[Measure, str]:
    now, earlier = sides
    if any(measure.value is None for measure in values):
        return unpaired_shift(*values), "undefined in one of the runs"
    if now.columns is None or earlier.columns is None:
        return unpaired_shift(*values), "unpaired: other images, or no samples.parquet"
    paired = paired_shift(name, now.columns, earlier.columns, class_names)
    if paired is None:
        return unpaired_shift(*values), "unpaired: this measure is no mean over images"
    return paired, f"paired on {paired.n:,} images"


def _judged(rule: Rule, measure: Measure, moved: Measure) -> tuple[Outcome, str]:
    if moved.value is None:
        return Outcome.INCONCLUSIVE, moved.undefined_reason or "not measured"
    worse = 1 if _worse_when_higher(rule, measure) else -1
    if moved.interval is None and rule.decide_on is DecideOn.INTERVAL:
        return Outcome.INCONCLUSIVE, f"changed by {moved.value:+.4g}, and without an interval noise is unknown"
    if moved.interval is None:
        outcome = Outcome.FAIL if worse * moved.value > 0 else Outcome.PASS
        return outcome, f"changed by {moved.value:+.4g}, by estimate"
    least, most = sorted((worse * moved.interval.low, worse * moved.interval.high))
    shown = f"changed by {moved.value:+.4g} [{moved.interval.low:+.4g}, {moved.interval.high:+.4g}]"
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
