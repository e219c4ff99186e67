"""``gate`` and ``check``: exit codes 0, 1 and 3, and what they leave in the run's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from compress_onnx.store import load_run

Write = Callable[[str], Path]
RULE = '[[rule]]\nmetric = "flips.rate"\n'
ESTIMATE = 'decide_on = "estimate"\n'


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [("at_most = 1", ("pass", 0)), ("at_most = 0", ("fail", 1)), ("at_most = {rate}", ("inconclusive", 3))],
)
def test_the_verdict_is_the_exit_code(
    limit: str, verdict: tuple[str, int], cli: Any, finished: Path, policy: Write
) -> None:
    rate = load_run(finished).comparisons[0].flips.rate.value
    answer = cli("gate", finished, "--policy", policy(RULE + limit.format(rate=rate)))
    assert answer.code == verdict[1]
    assert verdict[0] in answer.out


def test_the_verdict_goes_into_record_report_and_junit(cli: Any, finished: Path, policy: Write) -> None:
    answer = cli("gate", finished / "run.json", "--policy", policy(RULE + "at_most = 0"), "--json")
    assert answer.json["outcome"] == "fail"
    verdict = load_run(finished).verdict
    assert verdict is not None
    assert [check.candidate for check in verdict.checks] == ["other"]
    assert ET.parse(finished / "junit.xml").getroot().get("failures") == "1"  # noqa: S314  # written by this tool just now
    assert "flips.rate at most 0" in (finished / "report.html").read_text(encoding="utf-8")


def test_a_new_verdict_replaces_the_old_one(cli: Any, finished: Path, policy: Write) -> None:
    assert cli("gate", finished, "--policy", policy(RULE + "at_most = 0")).code == 1
    assert cli("gate", finished, "--policy", policy(RULE + "at_most = 1")).code == 0
    verdict = load_run(finished).verdict
    assert verdict is not None
    assert verdict.outcome == "pass"


def test_init_writes_a_policy_that_gate_obeys(cli: Any, finished: Path, tmp_path: Path) -> None:
    made = cli("gate", "--init", tmp_path / "new" / "policy.toml")
    assert (made.code, made.out) == (0, "")
    answer = cli("gate", finished, "--policy", tmp_path / "new" / "policy.toml")
    assert answer.code in {1, 3}
    assert len(load_run(finished).verdict.checks) == 3  # type: ignore[union-attr]  # written just now


@pytest.mark.parametrize(("limit", "code"), [("at_most = 1", 0), ("at_most = 0", 1)])
def test_check_compares_and_decides(limit: str, code: int, cli: Any, shelf: Any, policy: Write) -> None:
    rules = policy(RULE + limit + "\n" + ESTIMATE)
    folder = rules.parent / "run"
    words = ("check", shelf.base, shelf.other, "--data", shelf.data, "--out", folder)
    answer = cli(*words, "--policy", rules, "--json")
    assert answer.code == code
    assert [check["candidate"] for check in answer.json["checks"]] == ["other"]
    assert {"run.json", "junit.xml", "report.html"} <= {path.name for path in folder.iterdir()}
