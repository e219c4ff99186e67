"""The verdict, the rules that decided, and what they were held against."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.records.run import Comparison, RunRecord
from compress_onnx.records.verdict import CheckKind, Outcome
from compress_onnx.report.kit.source import ReportInput
from compress_onnx.report.pages.run import build_view
from compress_onnx.report.sections.verdict import verdict_view


@pytest.mark.parametrize("outcome", list(Outcome))
def test_verdict_lists_the_rules_that_decided_first(run: Any, outcome: Outcome) -> None:
    record = run.record()
    view = build_view(
        ReportInput(record=dataclasses.replace(record, verdict=dataclasses.replace(record.verdict, outcome=outcome)))
    )
    expected = sum(check.outcome == outcome for check in record.verdict.checks)
    assert len(view.verdict.decided.rows) == expected
    assert len(view.verdict.others.rows) == len(record.verdict.checks) - expected


def test_checks_say_what_they_were_held_against_and_how_many_images_are_missing(run: Any) -> None:
    verdict = run.record().verdict
    assert "Held against" not in verdict_view(verdict).decided.head
    first, *others = verdict.checks
    found = dataclasses.replace(
        first,
        outcome=verdict.outcome,
        kind=CheckKind.REGRESSION,
        samples_needed=24_000,
        samples_more=11_370,
        advice="take 11,370 more images",
    )
    view = verdict_view(dataclasses.replace(verdict, checks=(found, *others), against="old-run"))
    row = next(row for row in view.decided.rows if row[-1].text == "earlier run")
    assert row[5].line == "24,000 (11,370 more)"
    assert "take 11,370 more images" in row[4].text
    assert "old-run" in view.detail


def first(record: RunRecord) -> Comparison:
    return record.comparisons[0]
