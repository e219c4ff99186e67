"""Flips by kind, accuracy, and measures that plug-ins added."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.report.sections.predictions import (
    DISTANCES,
    accuracy_table,
    divergence_table,
    extra_table,
    flip_chart,
    flip_table,
)


def test_the_bars_of_a_candidate_add_up_to_its_flips(run: Any) -> None:
    record = run.record()
    figure = flip_chart(record).figure
    for place, comparison in enumerate(record.comparisons):
        share = sum(trace["x"][place] for trace in figure["data"])
        assert share == pytest.approx(100 * comparison.flips.flips / comparison.flips.n)


def test_kinds_in_the_table_add_up_to_all(run: Any) -> None:
    flips = run.record().comparisons[0].flips
    every, *kinds = (int(row[1].text.replace(",", "")) for row in flip_table(flips).rows)
    assert every == sum(kinds) == flips.flips


def test_five_classes_have_no_top_5(run: Any) -> None:
    accuracy = run.record().comparisons[0].accuracy
    few = dataclasses.replace(accuracy, top5_baseline=None, top5_candidate=None, top5_change=None)
    top1, top5 = accuracy_table(few).rows
    assert top1 == accuracy_table(accuracy).rows[0]
    assert {cell.text for cell in top5[1:]} == {"\u2013"}


def test_what_another_table_shows_is_no_further_measure(run: Any) -> None:
    comparison = run.record().comparisons[0]
    measure = next(iter(comparison.extra.values()))
    named = dataclasses.replace(comparison, extra={**comparison.extra, next(iter(DISTANCES)): measure})
    assert [row[0].text for row in extra_table(named).rows] == ["agreement_of_plugin"]
    alone = dataclasses.replace(named, divergence=None)
    assert len(extra_table(alone).rows) == 2
    assert extra_table(dataclasses.replace(comparison, extra={})) is None
    assert "not recorded" in divergence_table(None).reason
