"""How a verdict is said: one line per check, the deciding ones first."""

from __future__ import annotations

from compress_onnx.records import GateCheck, Outcome, Verdict

SIGNS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.INCONCLUSIVE: "?"}
_URGENCY = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)


def ordered(verdict: Verdict) -> list[GateCheck]:
    """Return the checks, failed ones first, then those in doubt; otherwise in the order they were made."""
    return sorted(verdict.checks, key=lambda check: _URGENCY.index(check.outcome))


def signed(outcome: Outcome) -> str:
    """Return an outcome with its sign.

    >>> signed(Outcome.FAIL)
    '✗ fail'
    """
    return f"{SIGNS[outcome]} {outcome}"


def verdict_line(verdict: Verdict) -> str:
    """Return the verdict and how many checks came out how, in one line.

    >>> verdict_line(Verdict(outcome=Outcome.INCONCLUSIVE, policy_sha256="", checks=()))
    '? inconclusive: no checks'
    """
    outcomes = [check.outcome for check in verdict.checks]
    counts = [f"{outcomes.count(outcome)} {outcome}" for outcome in _URGENCY if outcome in outcomes]
    checks = f"{len(outcomes)} check{'' if len(outcomes) == 1 else 's'}, {', '.join(counts)}" if counts else "no checks"
    return f"{signed(verdict.outcome)}: {checks}"


def observed(check: GateCheck) -> str:
    """Return the observed value and its interval, a dash where there is none."""
    if check.observed is None:
        return "–"
    interval = check.interval
    return f"{check.observed:.4g}" + (f" [{interval.low:.4g}, {interval.high:.4g}]" if interval else "")


def why(check: GateCheck) -> str:
    """Return the reason and, in doubt, what would decide."""
    return check.reason + (f"; {check.advice}" if check.advice else "")


def check_line(check: GateCheck) -> str:
    """Return a check in one line."""
    return f"{signed(check.outcome)}: {check.candidate}: {check.rule}: {why(check)}"
