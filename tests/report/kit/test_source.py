"""What a report is made of."""

from __future__ import annotations

from typing import Any

from compress_onnx.report.kit.source import ReportInput


def test_the_baseline_is_the_first_artifact_and_has_a_plain_name_where_none_is_left(run: Any) -> None:
    record = run.record()
    assert ReportInput(record=record).baseline == record.artifacts[0].name
    assert ReportInput(record=run.record(artifacts=())).baseline == "baseline"
