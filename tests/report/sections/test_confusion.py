"""Which confusions grew and which shrank."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from compress_onnx.metrics.outputs.confusion import confusion_tables
from compress_onnx.report.sections.confusion import HEAT_CLASSES, confusion_chart, confusion_table, most_changed


@given(arrays(np.int64, (6, 6), elements=st.integers(-9, 9)), st.integers(1, 6))
def test_left_out_classes_changed_no_more_than_those_that_stay(change: NDArray[np.int64], limit: int) -> None:
    chosen = most_changed(change, limit).tolist()
    amount = [sum(abs(int(change[i, j])) + abs(int(change[j, i])) for j in range(6)) for i in range(6)]
    assert chosen == sorted(set(chosen))
    assert len(chosen) == limit
    rest = [amount[i] for i in range(6) if i not in chosen]
    assert not rest or max(rest) <= min(amount[i] for i in chosen)


def test_more_wrong_answers_are_harm_and_more_right_ones_repair(run: Any) -> None:
    comparison, names = run.record().comparisons[0], run.class_names
    before, after = confusion_tables(comparison.confusion, len(names))
    (heat,) = confusion_chart(comparison, names).figure["data"]
    for row in range(len(names)):
        for column in range(len(names)):
            change = int(after[row, column] - before[row, column])
            harm = -change if row == column else change
            assert heat["z"][row][column] == (harm or None)
            text = heat["customdata"][row][column]
            assert text.endswith(f": {before[row, column]} to {after[row, column]}") if change else not text


def test_of_many_classes_the_rest_is_counted(make_run: Any) -> None:
    run = make_run(class_names=tuple(f"c{index}" for index in range(60)))
    chart = confusion_chart(run.record().comparisons[0], run.class_names)
    assert len(chart.figure["data"][0]["z"]) == HEAT_CLASSES
    assert f"The {60 - HEAT_CLASSES} classes that changed least are left out." in chart.alt


def test_without_labels_and_without_change_there_is_a_reason(run: Any) -> None:
    comparison = run.record().comparisons[0]
    bare = dataclasses.replace(comparison, confusion=None)
    assert "no labels" in confusion_chart(bare, run.class_names).missing
    assert "no labels" in confusion_table(None).reason
    assert "equally often" in confusion_table(dataclasses.replace(comparison.confusion, most_changed=())).reason


def test_a_mistake_that_grew_is_called_more_wrong(run: Any) -> None:
    confusion = run.record().comparisons[0].confusion
    words = [row[4].word for row in confusion_table(confusion).rows]
    assert words == ["more wrong" if one.change > 0 else "fewer wrong" for one in confusion.most_changed]
