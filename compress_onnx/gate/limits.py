"""Does a rule's limit make sense for its measure: the right side, sign and range."""

from __future__ import annotations

import math

from compress_onnx.errors import PolicyError
from compress_onnx.gate.policy import Rule
from compress_onnx.records import Better, Measure

_UNSIGNED = {"fraction": 1.0, "p-value": 1.0, "ratio": math.inf, "ms": math.inf}


def check_limit(rule: Rule, name: str, measure: Measure) -> None:
    """Raise unless the limit of ``rule`` makes sense for the measure called ``name``.

    Refused are: ``at_most`` on a measure that is better high and ``at_least`` on one that is
    better low, which would let any loss pass; a limit on a change that demands a gain, since it is
    nearly always a forgotten minus; and a limit that the unit cannot reach, nearly always per cent
    for a fraction.

    Errors
    ------
    PolicyError
        which says what was probably meant.
    """
    limit = rule.limit
    if measure.value is None and measure.better is Better.NEITHER:
        return
    _check_side(rule, name, measure)
    low, high = _range(name, measure)
    if not low <= limit <= high:
        raise PolicyError(
            f"a limit from {low:g} to {high:g} for {name}" if high < math.inf else f"a limit from {low:g} for {name}",
            f"{rule.side} = {limit:g}",
            where="policy",
            remedy=_as_fraction(limit) if high == 1 and abs(limit) > 1 else f"A {measure.unit} is never so.",
        )
    if _is_change(name) and (rule.at_least is not None) == (measure.better is Better.HIGHER) and _demands_gain(rule):
        raise PolicyError(
            f"a bound on the loss for {name}",
            f"{rule.side} = {limit:g}, which demands a gain",
            where="policy",
            remedy=f"A loss of up to {abs(limit):g} is allowed by {rule.side} = {-limit:g}.",
        )


def _check_side(rule: Rule, name: str, measure: Measure) -> None:
    right = {Better.HIGHER: "at_least", Better.LOWER: "at_most"}.get(measure.better)
    if right is None or rule.side == right:
        return
    meant = rule.limit
    if _is_change(name):
        meant = -abs(meant) if right == "at_least" else abs(meant)
    raise PolicyError(
        f"{right} for {name}, which is better {measure.better}",
        f"{rule.side} = {rule.limit:g}, which lets any loss pass",
        where="policy",
        remedy=f"Probably {right} = {meant:g} was meant.",
    )


def _demands_gain(rule: Rule) -> bool:
    return rule.limit > 0 if rule.at_least is not None else rule.limit < 0


def _range(name: str, measure: Measure) -> tuple[float, float]:
    high = _UNSIGNED.get(measure.unit)
    if high is None:
        return -math.inf, math.inf
    # What a plug-in calls a fraction may be a difference of two.
    signed = _is_change(name) or name.startswith("extra.") or _goes_below_zero(measure)
    return (-high if signed else 0.0), high


def _goes_below_zero(measure: Measure) -> bool:
    bounds = (measure.interval.low,) if measure.interval is not None else ()
    return any(bound < 0 for bound in (measure.value or 0.0, *bounds))


def _is_change(name: str) -> bool:
    return name.rpartition(".")[2].startswith("change")


def _as_fraction(limit: float) -> str:
    return f"{limit:g} % is written {limit / 100:g}."
