"""Who is hurt, and whether it is more than chance."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.records.run import Comparison, RunRecord
from compress_onnx.report.sections.classes import class_chart, class_table, pattern_cell


def test_marks_follow_the_adjustment_a_change_survives(run: Any) -> None:
    first = run.record().comparisons[0]
    result = next(one for one in first.classes if one.change.value)
    made = tuple(
        dataclasses.replace(result, class_name=name, p_holm=holm, p_benjamini_hochberg=bh)
        for name, holm, bh in (("both", 0.01, 0.01), ("reading", 0.2, 0.01), ("chance", 0.9, 0.9))
    )
    rows = {row[0].text: row[10].text for row in class_table(made).rows}
    assert {name: text.split()[-1] for name, text in rows.items()} == {"both": "Holm", "reading": "BH", "chance": "no"}
    chart = class_chart(dataclasses.replace(first, classes=made))
    assert sorted(chart.figure["data"][0]["marker"]["symbol"]) == ["circle", "circle-open", "diamond"]


def test_a_pattern_that_chance_explains_is_called_so(run: Any) -> None:
    pattern = run.record().comparisons[0].class_pattern
    assert "hurt more" in pattern_cell(pattern).word
    usual = dataclasses.replace(pattern, p_value=dataclasses.replace(pattern.p_value, value=0.4))
    assert "chance" in pattern_cell(usual).word
    assert pattern_cell(None) is None


def first(record: RunRecord) -> Comparison:
    return record.comparisons[0]
