"""The tables of how similar the maps are."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.records.saliency import SaliencyMaps, SaliencyShift
from compress_onnx.report.sections.saliency.section import saliency_view
from compress_onnx.report.sections.saliency.tables import saliency_table


def test_the_scale_stands_in_a_table_by_every_measure(shift: SaliencyShift, maps: SaliencyMaps) -> None:
    view = saliency_view(shift, maps)
    assert view is not None
    assert len(view.scale.rows) == 6
    assert [cell.text for cell in view.scale.rows[0]][4] == "42.0"
    assert "Flat maps" not in view.scale.note
    flat = saliency_view(dataclasses.replace(shift, flat_candidate=3), maps)
    assert flat is not None
    assert "0 of the baseline, 3 of the candidate" in flat.scale.note


def test_classes_that_moved_most_come_first_and_untested_ones_last(shift: SaliencyShift, make_systematic: Any) -> None:
    view = saliency_view(shift, None)
    assert view is not None
    assert view.classes is not None
    assert [row[0].text for row in view.classes.rows[:2]] == ["<class 11>", "<class 10>"]
    assert (
        view.classes.note
        == "1 of 12 classes moved beyond chance (Benjamini-Hochberg, 5 %). 2 more classes are in run.json."
    )
    few = saliency_view(dataclasses.replace(shift, systematic=make_systematic(classes=1)), None)
    assert few is not None
    assert few.classes is not None
    assert few.classes.rows[0][3].detail == "too few images"


def test_a_missing_group_stands_in_the_table_with_its_reason(shift: SaliencyShift) -> None:
    flipped = saliency_table(shift).rows[2]  # type: ignore[union-attr]  # a table, since there are groups
    assert [cell.text for cell in flipped[:3]] == ["flipped", "0", "–"]
    assert flipped[2].detail == "no explained sample has another class"
