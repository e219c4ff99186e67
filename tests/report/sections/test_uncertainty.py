"""Prediction sets and temperatures, or why there are none."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.records.base import Better, undefined
from compress_onnx.report.kit.section import Absent, Section
from compress_onnx.report.sections.uncertainty import sets_table, temperature_table, uncertainty_section


def changed(run: Any, **changes: Any) -> Any:
    """Return a report's input whose comparisons all hold other prediction sets."""
    return run.input(
        comparisons=tuple(
            dataclasses.replace(
                comparison,
                uncertainty=dataclasses.replace(
                    comparison.uncertainty, sets=dataclasses.replace(comparison.uncertainty.sets, **changes)
                ),
            )
            for comparison in run.record().comparisons
        )
    )


def test_the_section_is_absent_with_the_reasons_of_all_candidates(run: Any) -> None:
    none = undefined("the data has no labels", unit="fraction", better=Better.HIGHER)
    section = uncertainty_section(changed(run, coverage_candidate=none))
    assert isinstance(section, Absent)
    assert section.reason == "the data has no labels"
    assert isinstance(uncertainty_section(run.input()), Section)


def test_the_class_covered_worst_has_two_rows_where_there_is_one(run: Any) -> None:
    shift = run.record().comparisons[0].uncertainty
    assert len(sets_table(shift).rows) == 4
    bare = dataclasses.replace(shift, sets=dataclasses.replace(shift.sets, worst_class=None, threshold=None))
    assert len(sets_table(bare).rows) == 2
    assert sets_table(bare).note == "No threshold could be set."


def test_temperatures_stand_above_the_errors_they_repair(run: Any) -> None:
    repair = run.record().comparisons[0].uncertainty.temperature
    table = temperature_table(repair)
    assert [row[0].text for row in table.rows] == ["Temperature", "ECE as it is", "ECE at that temperature"]
    assert table.rows[0][1].text.startswith(f"{repair.temperature_baseline.value:.4f}")
