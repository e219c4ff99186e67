"""A verdict in words, the deciding checks first: lines, Markdown, and GitHub annotations.

Annotations are workflow commands that a runner finds in what a step says.
"""

from __future__ import annotations

from compress_onnx.markdown import escaped, table
from compress_onnx.records import GateCheck, Outcome, RunRecord, Verdict

SIGNS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.INCONCLUSIVE: "?"}
_URGENCY = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
TITLE = "compress-onnx gate"
_LEVELS = {Outcome.FAIL: "error", Outcome.INCONCLUSIVE: "warning"}
_HEAD = ("", "candidate", "rule", "observed, interval", "why")


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


def markdown(verdict: Verdict, record: RunRecord) -> str:
    """Return the verdict as a heading, where it was measured, its warnings and one table.

    The verdict stands first and failed checks before doubtful ones and passed ones; every name
    that came from outside is escaped.
    """
    data = f"{record.dataset.name} ({record.dataset.split}, {record.dataset.n:,} images)"
    policy = f", policy {verdict.policy_sha256[:12]}" if verdict.policy_sha256 else ""
    against = f", against {verdict.against}" if verdict.against else ""
    measured_on = f"Run {record.run_id} on {data}, {record.environment.cpu_target}{policy}{against}."
    parts = [f"### {escaped(verdict_line(verdict))}", escaped(measured_on)]
    parts += [f"> Warning: {escaped(warning)}" for warning in verdict.warnings]
    return "\n\n".join([*parts, table(_HEAD, map(_cells, ordered(verdict)))]) + "\n"


def workflow_commands(verdict: Verdict) -> list[str]:
    """Return one line per failed or doubtful check and per warning, and a notice of the verdict."""
    checks = [_of_check(check) for check in ordered(verdict) if check.outcome is not Outcome.PASS]
    warnings = [command("warning", TITLE, warning) for warning in verdict.warnings]
    return [*checks, *warnings, command("notice", TITLE, verdict_line(verdict))]


def command(level: str, title: str, message: str) -> str:
    """Return a workflow command with title and message escaped.

    >>> command("error", "a: b, c", "100 %")
    '::error title=a%3A b%2C c::100 %25'
    """
    return f"::{level} title={_in_a_property(title)}::{_escaped(message)}"


def _cells(check: GateCheck) -> tuple[str, ...]:
    return (signed(check.outcome), check.candidate, check.rule, observed(check), why(check))


def _of_check(check: GateCheck) -> str:
    return command(_LEVELS[check.outcome], f"{check.candidate}: {check.rule}", why(check))


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _in_a_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
