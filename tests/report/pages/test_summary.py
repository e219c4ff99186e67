"""The first table, and the sentence on who is hurt."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.records.base import Better, Interval, Measure, undefined
from compress_onnx.records.saliency import SaliencyShift, ShiftVerdict
from compress_onnx.report.pages.summary import hurt_sentence, saliency_cell, summary_rows


def change(value: float, low: float, high: float, better: Better = Better.HIGHER) -> Measure:
    interval = Interval(low=low, high=high, level=0.95, method="made up")
    return Measure(value=value, unit="fraction", better=better, n=100, interval=interval)


def test_unlabeled_run_renders_rows_with_reasons(run: Any) -> None:
    record = run.record()
    none = undefined("no labels", unit="fraction", better=Better.HIGHER)
    first = record.comparisons[0]
    unlabeled = dataclasses.replace(
        first,
        accuracy=dataclasses.replace(first.accuracy, baseline=none, candidate=none, change=none),
        flips=dataclasses.replace(first.flips, negative=None, positive=None, lateral=None),
        classes=(),
    )
    (row,) = summary_rows(dataclasses.replace(record, comparisons=(unlabeled,)))
    assert "no labels" in row.accuracy_change
    assert "negative" not in row.flips
    assert "without labels" in row.worst_class


def test_hurt_sentence_names_a_significant_loss_behind_a_larger_doubtful_one(run: Any) -> None:
    record = run.record()
    first = record.comparisons[0]
    doubtful, sure = first.classes[:2]
    classes = (
        dataclasses.replace(doubtful, p_holm=0.9, change=dataclasses.replace(doubtful.change, value=-0.2)),
        dataclasses.replace(sure, p_holm=0.01, change=dataclasses.replace(sure.change, value=-0.05)),
    )
    only = dataclasses.replace(record, comparisons=(dataclasses.replace(first, classes=classes),))
    assert hurt_sentence(only).startswith("Hurt most")
    assert sure.class_name in hurt_sentence(only)


def test_hurt_sentence_prefers_a_significant_loss(run: Any) -> None:
    record = run.record()
    first = record.comparisons[0]
    sure = dataclasses.replace(first.classes[0], class_name="sure", change=change(-0.05, -0.06, -0.04), p_holm=0.001)
    chance = dataclasses.replace(first.classes[0], class_name="chance", change=change(-0.2, -0.5, 0.1), p_holm=0.9)
    runs = tuple(
        dataclasses.replace(first, candidate_name=name, classes=(result,))
        for name, result in (("a", sure), ("b", chance))
    )
    sentence = hurt_sentence(dataclasses.replace(record, comparisons=runs))
    assert sentence.startswith("Hurt most: \u2068sure\u2069 under a")


def test_saliency_is_placed_between_floor_and_ceiling(run: Any) -> None:
    shift = run.record().comparisons[0].saliency
    value = shift.over_all.mean_absolute_deviation.value
    placed = dataclasses.replace(shift, noise_floor=value - 0.01, randomized_ceiling=value + 0.03)
    assert saliency_cell(placed).bar == pytest.approx(0.25)
    assert saliency_cell(dataclasses.replace(shift, noise_floor=value, randomized_ceiling=value + 1)).bar == 0
    assert saliency_cell(dataclasses.replace(shift, randomized_ceiling=None)).bar is None


def test_the_first_table_tells_the_place_and_a_systematic_shift(shift: SaliencyShift, make_systematic: Any) -> None:
    cell = saliency_cell(dataclasses.replace(shift, systematic=make_systematic(ShiftVerdict.SYSTEMATIC)))
    assert "(41.0 to 43.0)" in cell.detail
    assert cell.word.endswith(", systematic")
    assert not saliency_cell(shift).word.endswith("systematic")
