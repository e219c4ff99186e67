"""Where a candidate's maps lie between the anchors, and whether they moved in one way."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.metrics.saliency.mean_shift import untested
from compress_onnx.records.base import Better, Interval, Measure
from compress_onnx.records.saliency import SaliencyMaps, SaliencyShift, ShiftVerdict
from compress_onnx.report.kit.cells import Tone
from compress_onnx.report.pages.run import render
from compress_onnx.report.sections.saliency.section import place_cell, saliency_view, verdict_cell


def measure(value: float, *, spread: float = 0.01) -> Measure:
    interval = Interval(low=value - spread, high=value + spread, level=0.95, method="BCa")
    return Measure(value=value, unit="fraction", better=Better.LOWER, n=400, interval=interval)


def test_the_place_is_told_with_its_interval(shift: SaliencyShift) -> None:
    cell = place_cell(shift)
    assert cell.text.replace("\u00a0", " ") == "42.0 % (41.0 to 43.0) of the way from noise to random weights"
    assert cell.bar == pytest.approx(0.42)
    assert place_cell(dataclasses.replace(shift, scale_position=None)).tone is Tone.ABSENT


@pytest.mark.parametrize("place", [-0.3, 1.7])
def test_a_place_beyond_the_anchors_is_told_and_the_bar_ends_there(shift: SaliencyShift, place: float) -> None:
    cell = place_cell(dataclasses.replace(shift, scale_position=measure(place)))
    assert cell.bar == float(place > 0)
    assert f"{abs(100 * place):.0f}" in cell.text


@pytest.mark.parametrize("verdict", [verdict for verdict in ShiftVerdict if verdict is not ShiftVerdict.UNDECIDED])
def test_every_verdict_has_its_word_and_the_numbers_behind_it(verdict: ShiftVerdict, make_systematic: Any) -> None:
    cell = verdict_cell(make_systematic(verdict))
    assert cell.word == verdict.value
    assert "p 0.001; effect 0.07 (0.06 to 0.08), a small one is 0.2" in cell.detail


def test_an_undecided_shift_says_why() -> None:
    cell = verdict_cell(untested("at least 10 samples are needed", n=3))
    assert (cell.word, cell.detail, cell.tone) == ("undecided", "at least 10 samples are needed", Tone.UNCLEAR)


def test_what_was_not_measured_has_no_view(shift: SaliencyShift) -> None:
    assert saliency_view(None, None) is None
    assert saliency_view(dataclasses.replace(shift, over_all=None), None) is None


def test_the_page_shows_it_and_escapes_names(run: Any, shift: SaliencyShift, maps: SaliencyMaps) -> None:
    record = run.record()
    first = dataclasses.replace(record.comparisons[0], saliency=shift)
    changed = dataclasses.replace(record, comparisons=(first, *record.comparisons[1:]))
    page = render(dataclasses.replace(run.input(), record=changed, mean_maps={first.candidate_name: maps}))
    assert "of the way from noise to random weights" in page
    assert "&lt;one&gt;" in page
    assert "<one>" not in page
    assert "&lt;class 11&gt;" in page
