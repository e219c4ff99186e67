"""A verdict as GitHub annotations: workflow commands that a runner finds in what a step says."""

from __future__ import annotations

from compress_onnx.gate.words import observed, ordered, signed, verdict_line, why
from compress_onnx.markdown import escaped, table
from compress_onnx.records import GateCheck, Outcome, RunRecord, Verdict

TITLE = "compress-onnx gate"
_LEVELS = {Outcome.FAIL: "error", Outcome.INCONCLUSIVE: "warning"}


def workflow_commands(verdict: Verdict) -> list[str]:
    """Return one line per failed or doubtful check and per warning, and a notice of the verdict."""
    checks = [_of_check(check) for check in ordered(verdict) if check.outcome is not Outcome.PASS]
    warnings = [command("warning", TITLE, warning) for warning in verdict.warnings]
    return [*checks, *warnings, command("notice", TITLE, verdict_line(verdict))]


def _of_check(check: GateCheck) -> str:
    return command(_LEVELS[check.outcome], f"{check.candidate}: {check.rule}", why(check))


def command(level: str, title: str, message: str) -> str:
    """Return a workflow command with title and message escaped.

    >>> command("error", "a: b, c", "100 %")
    '::error title=a%3A b%2C c::100 %25'
    """
    return f"::{level} title={_in_a_property(title)}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _in_a_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


_HEAD = ("", "candidate", "rule", "observed, interval", "why")


def markdown(verdict: Verdict, record: RunRecord) -> str:
    """Return the verdict as a heading, where it was measured, its warnings and one table.

    The verdict stands first and failed checks before doubtful ones and passed ones; every name
    that came from outside is escaped.
    """
    data = f"{record.dataset.name} ({record.dataset.split}, {record.dataset.n:,} images)"
    policy = f", policy {verdict.policy_sha256[:12]}" if verdict.policy_sha256 else ""
    against = f", against {verdict.against}" if verdict.against else ""
    place = f"Run {record.run_id} on {data}, {record.environment.cpu_target}{policy}{against}."
    parts = [f"### {escaped(verdict_line(verdict))}", escaped(place)]
    parts += [f"> Warning: {escaped(warning)}" for warning in verdict.warnings]
    return "\n\n".join([*parts, table(_HEAD, map(_cells, ordered(verdict)))]) + "\n"


def _cells(check: GateCheck) -> tuple[str, ...]:
    return (signed(check.outcome), check.candidate, check.rule, observed(check), why(check))
