"""A verdict as GitHub annotations: workflow commands that a runner finds in what a step says."""

from __future__ import annotations

from compress_onnx.gate.words import ordered, verdict_line, why
from compress_onnx.records import GateCheck, Outcome, Verdict

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
