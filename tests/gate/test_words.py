"""A verdict in lines, as Markdown and as GitHub annotations: what failed first, nothing that names could break."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.gate.words import check_line, markdown, observed, ordered, workflow_commands
from compress_onnx.markdown import escaped
from compress_onnx.records.base import Interval
from compress_onnx.records.verdict import GateCheck, Outcome, Verdict

_NASTY = "a|b `c` *d* [e](https://f) <g> @team\n::error::x 100 %"


def _check(outcome: Outcome, *, name: str = "w8a8", advice: str = "") -> GateCheck:
    return GateCheck(
        rule="flips.rate at most 0.02",
        candidate=name,
        observed=0.01,
        interval=None,
        outcome=outcome,
        reason=f"because of {outcome}",
        samples_needed=None,
        advice=advice,
    )


VERDICT = Verdict(
    outcome=Outcome.FAIL,
    policy_sha256="3" * 64,
    checks=(
        _check(Outcome.PASS),
        _check(Outcome.INCONCLUSIVE, advice="7 more would decide"),
        _check(Outcome.FAIL, name=_NASTY),
    ),
    warnings=("other CPU",),
    against="old-run",
)


def test_the_verdict_comes_first_then_what_failed(made: Any) -> None:
    lines = markdown(VERDICT, made.record()).splitlines()
    assert lines[0] == "### ✗ fail: 3 checks, 1 fail, 1 inconclusive, 1 pass"
    assert "a-run on data (test, 1,000 images)" in lines[2]
    assert "against old-run" in lines[2]
    assert lines[4] == "> Warning: other CPU"
    rows = [line for line in lines if line.startswith("|")][2:]
    assert [row.split(" |")[0] for row in rows] == ["| ✗ fail", "| ? inconclusive", "| ✓ pass"]
    assert rows[1].endswith("because of inconclusive; 7 more would decide |")


@given(st.text(max_size=40))
def test_a_name_cannot_leave_its_cell_or_call_anybody(name: str) -> None:
    text = escaped(name)
    assert len(text.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", text)
    assert not re.search(r"[<>@]|://|\]\((?<!\\\()", text)


def test_every_row_has_its_five_cells_whatever_the_names(made: Any) -> None:
    rows = [line for line in markdown(VERDICT, made.record()).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_annotations_are_one_line_each_and_escaped() -> None:
    lines = workflow_commands(VERDICT)
    assert [re.match(r"::(\w+) title=", line).group(1) for line in lines] == [  # type: ignore[union-attr]  # fails if not
        "error",
        "warning",
        "warning",
        "notice",
    ]
    assert not any("\n" in line for line in lines)
    title = lines[0].removeprefix("::error title=").partition("::")[0]
    assert title.endswith("%0A%3A%3Aerror%3A%3Ax 100 %25%3A flips.rate at most 0.02")
    assert lines[1].endswith("::because of inconclusive; 7 more would decide")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_verdict_without_checks_can_be_said(outcome: Outcome, made: Any) -> None:
    empty = Verdict(outcome=outcome, policy_sha256="", checks=())
    assert "no checks" in markdown(empty, made.record())
    assert len(workflow_commands(empty)) == 1


def test_a_check_is_one_line_with_its_interval_and_what_would_decide() -> None:
    check = _check(Outcome.INCONCLUSIVE, advice="7 more would decide")
    assert (
        check_line(check)
        == "? inconclusive: w8a8: flips.rate at most 0.02: because of inconclusive; 7 more would decide"
    )
    assert observed(check) == "0.01"
    interval = Interval(low=0.001, high=0.0302, level=0.95, method="exact")
    assert observed(dataclasses.replace(check, interval=interval)) == "0.01 [0.001, 0.0302]"
    assert observed(dataclasses.replace(check, observed=None)) == "–"


def test_the_order_of_checks_of_one_outcome_is_kept() -> None:
    checks = tuple(_check(outcome, name=str(number)) for number, outcome in enumerate([*Outcome] * 2))
    ranked = ordered(Verdict(outcome=Outcome.FAIL, policy_sha256="", checks=checks))
    assert [(check.outcome.value, check.candidate) for check in ranked] == [
        ("fail", "1"),
        ("fail", "4"),
        ("inconclusive", "2"),
        ("inconclusive", "5"),
        ("pass", "0"),
        ("pass", "3"),
    ]
