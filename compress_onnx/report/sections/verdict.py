"""May it ship: the verdict in words, the rules that decided, and all other rules."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import CheckKind, GateCheck, Outcome, Verdict
from compress_onnx.report.kit import ABSENT_TEXT, MINUS, Cell, Table, Tone, absent, words

HEAD = ("Rule", "Candidate", "Outcome", "Observed", "Reason", "Images needed")
KINDS = {CheckKind.RULE: "policy", CheckKind.REGRESSION: "earlier run", CheckKind.LOCK: "locked images"}
HEADLINES = {
    Outcome.PASS: "Pass: it may ship under this policy",
    Outcome.FAIL: "Fail: it may not ship under this policy",
    Outcome.INCONCLUSIVE: "Inconclusive: the data cannot decide this policy",
}
NO_POLICY = "No policy was given"
SIGNS = {Outcome.PASS: "\u2714", Outcome.FAIL: "\u2718", Outcome.INCONCLUSIVE: "?"}
TONES = {Outcome.PASS: Tone.GOOD, Outcome.FAIL: Tone.BAD, Outcome.INCONCLUSIVE: Tone.UNCLEAR}
SEVERITY = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    """The verdict's headline with mark and tone, the deciding rules, and the rest."""

    headline: str
    sign: str
    tone: Tone
    detail: str
    decided: Table | None
    others: Table | None


def verdict_view(verdict: Verdict | None) -> VerdictView:
    """Return what the first screen says about shipping; a run without a policy says so.

    >>> verdict_view(None).headline
    'No policy was given'
    """
    if verdict is None:
        detail = "The figures below are measured, nothing was decided on them."
        return VerdictView(
            headline=NO_POLICY, sign=ABSENT_TEXT, tone=Tone.PLAIN, detail=detail, decided=None, others=None
        )
    deciding = tuple(check for check in verdict.checks if check.outcome == verdict.outcome)
    others = tuple(check for check in verdict.checks if check.outcome != verdict.outcome)
    with_kind = any(check.kind != CheckKind.RULE for check in verdict.checks)
    return VerdictView(
        headline=HEADLINES[verdict.outcome],
        sign=SIGNS[verdict.outcome],
        tone=TONES[verdict.outcome],
        detail=_tally(verdict),
        decided=_table("What the deciding rules observed", deciding, with_kind=with_kind),
        others=_table("What the other rules observed", others, with_kind=with_kind),
    )


def candidate_verdict(verdict: Verdict | None, candidate: str) -> Cell | None:
    """Return what the rules say of one candidate: the worst outcome and the measures that gave it.

    ``None`` where no policy was given or no rule judged the candidate.

    >>> candidate_verdict(None, "w8a8") is None
    True
    """
    checks = [check for check in verdict.checks if check.candidate == candidate] if verdict else []
    if not checks:
        return None
    worst = next(outcome for outcome in SEVERITY if any(check.outcome == outcome for check in checks))
    rules = [check.rule for check in checks if check.outcome == worst]
    # What was measured; the limits stand in the table of rules.
    measures = dict.fromkeys(rule.split()[0].rstrip(":") for rule in rules)
    detail = f"all {len(rules)} rules" if worst == Outcome.PASS else ", ".join(measures)
    return Cell(text=str(worst), detail=detail, tone=TONES[worst], kind="outcome", mark=SIGNS[worst])


def _tally(verdict: Verdict) -> str:
    counts = {outcome: sum(check.outcome == outcome for check in verdict.checks) for outcome in Outcome}
    spoken = ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
    number = len(verdict.checks)
    policy = f" Policy {verdict.policy_sha256[:12]}." if verdict.policy_sha256 else ""
    against = f" Held against run {verdict.against}." if verdict.against else ""
    return f"{number} check{'' if number == 1 else 's'}: {spoken or 'none'}.{policy}{against}"


def _table(caption: str, checks: tuple[GateCheck, ...], *, with_kind: bool) -> Table | None:
    """Return the checks; what each was held against is ``told`` where a policy's limits were not all."""
    if not checks:
        return None
    head = (*HEAD, "Held against") if with_kind else HEAD
    return Table(caption=caption, head=head, rows=tuple(_row(check, with_kind=with_kind) for check in checks))


def _row(check: GateCheck, *, with_kind: bool) -> tuple[Cell, ...]:
    outcome = Cell(text=str(check.outcome), tone=TONES[check.outcome], kind="outcome", mark=SIGNS[check.outcome])
    reason = words(f"{check.reason}; {check.advice}" if check.advice else check.reason)
    cells = (words(check.rule), words(check.candidate), outcome, _observed(check), reason, _needed(check))
    return (*cells, words(KINDS[check.kind])) if with_kind else cells


def _observed(check: GateCheck) -> Cell:
    if check.observed is None:
        return absent(check.reason)
    interval = check.interval
    detail = f"{_exact(interval.low)} to {_exact(interval.high)}" if interval else ""
    return Cell(text=_exact(check.observed), detail=detail)


def _exact(value: float) -> str:
    """Write a number in the unit of its rule, as the policy's file has it."""
    return f"{value:.4g}".replace("-", MINUS)


def _needed(check: GateCheck) -> Cell:
    if check.samples_needed is None:
        return words("")
    more = f"{check.samples_more:,} more" if check.samples_more else ""
    return Cell(text=f"{check.samples_needed:,}", detail=more)
