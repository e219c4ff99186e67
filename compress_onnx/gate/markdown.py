"""A verdict as Markdown, short enough for a pull request."""

from __future__ import annotations

import html
import re

from compress_onnx.gate.words import observed, ordered, signed, verdict_line, why
from compress_onnx.records import GateCheck, RunRecord, Verdict

_HEAD = "| | candidate | rule | observed, interval | why |\n|---|---|---|---|---|"
# Letters with which a class's or file's name could start markup, a link, a mention or a cell.
_MARKUP = re.compile(r"([\\`*_|~]|(?<=\])\()")


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
    rows = "\n".join(map(_row, ordered(verdict)))
    return "\n\n".join([*parts, f"{_HEAD}\n{rows}"]) + "\n"


def _row(check: GateCheck) -> str:
    cells = (signed(check.outcome), check.candidate, check.rule, observed(check), why(check))
    return "| " + " | ".join(map(escaped, cells)) + " |"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line, without calling anybody.

    >>> escaped("<c> @team")
    '&lt;c&gt; &#64;team'
    """
    plain = html.escape(" ".join(text.split()), quote=False)
    return _MARKUP.sub(r"\\\1", plain).replace("@", "&#64;").replace("://", ":&#47;/")
