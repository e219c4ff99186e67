"""A verdict as Markdown, short enough for a pull request."""

from __future__ import annotations

from compress_onnx.gate.words import observed, ordered, signed, verdict_line, why
from compress_onnx.markdown import escaped, table
from compress_onnx.records import GateCheck, RunRecord, Verdict

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
