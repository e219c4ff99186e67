"""A verdict for people, scripts and GitHub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compress_onnx.cli.arguments.judging import JudgingFlags
from compress_onnx.cli.exit_codes import DONE, GATE_FAILED
from compress_onnx.cli.output.verdicts import judge
from compress_onnx.comparison.run import stored_run
from compress_onnx.errors import OutputError


def judged(folder: Path, rules: Path, **how: Any) -> int:
    criteria = JudgingFlags().criteria(rules)
    return judge(stored_run(folder), criteria, **{"summary": None, "as_json": False, **how})


@pytest.mark.parametrize(("limit", "code"), [(1, DONE), (0, GATE_FAILED)])
def test_a_verdict_is_shown_and_told_by_the_code(
    *, limit: int, code: int, finished: Path, policy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = policy(f'[[rule]]\nmetric = "flips.rate"\nat_most = {limit}\n')
    assert judged(finished, rules, summary=tmp_path / "s.md") == code
    assert "┃ candidate" in capsys.readouterr().out
    assert "flips.rate" in (tmp_path / "s.md").read_text(encoding="utf-8")


def test_a_job_summary_that_cannot_be_written_is_said(
    finished: Path, policy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "page.md"))
    rules = policy('[[rule]]\nmetric = "flips.rate"\nat_most = 1\n')
    with pytest.raises(OutputError, match="Unset GITHUB_STEP_SUMMARY or correct it"):
        judged(finished, rules)
