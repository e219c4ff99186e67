"""A verdict for people, scripts and CI servers: table, JSON, Markdown summary and annotations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from compress_onnx.cli.exit_codes import code_of
from compress_onnx.cli.output.terminal import put, say, show_table
from compress_onnx.errors import OutputError

if TYPE_CHECKING:
    from compress_onnx.compare import Criteria, RunResults
    from compress_onnx.records import GateCheck, RunRecord, Verdict


def judge(run: RunResults, criteria: Criteria, *, summary: Path | None, as_json: bool) -> int:
    """Decide, write the verdict, show it, and return the verdict's exit code."""
    from compress_onnx.compare import judged_run

    verdict = judged_run(run, criteria)
    if as_json:
        from compress_onnx.store import as_json as record_json

        put(record_json(verdict))
    else:
        _show(verdict)
    _summarize(verdict, run.record, summary)
    return code_of(verdict)


def _show(verdict: Verdict) -> None:
    from compress_onnx.gate import ordered, verdict_line

    columns = ("candidate", "rule", "observed", "outcome", "why")
    show_table(f"Verdict: {verdict_line(verdict)}", columns, [_row(check) for check in ordered(verdict)])
    for warning in verdict.warnings:
        say(f"Warning: {warning}")


def _row(check: GateCheck) -> tuple[str, ...]:
    from compress_onnx.gate import signed, why

    observed = "–" if check.observed is None else f"{check.observed:.4g}"
    return check.candidate, check.rule, observed, signed(check.outcome), why(check)


def _summarize(verdict: Verdict, record: RunRecord, summary: Path | None) -> None:
    """Write the Markdown summary where it was asked for and, on GitHub, where its runner shows it."""
    from compress_onnx.files import write_text
    from compress_onnx.gate import markdown, workflow_commands

    text = markdown(verdict, record)
    if summary is not None:
        write_text(summary, text)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    for line in workflow_commands(verdict):
        # A runner reads both streams; stdout stays one JSON document.
        say(line)
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        _append(Path(page), text)


def _append(page: Path, text: str) -> None:
    try:
        with page.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except OSError as error:
        raise OutputError(
            "the job's summary to be writable",
            error.strerror or str(error),
            where=page,
            remedy="Unset GITHUB_STEP_SUMMARY or correct it.",
        ) from error
