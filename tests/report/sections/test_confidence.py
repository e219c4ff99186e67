"""Confidence before and after, its change, and its errors."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import pytest

from compress_onnx.report.kit.samples import flipped, of_candidate
from compress_onnx.report.sections import confidence
from compress_onnx.report.sections.confidence import (
    change_histogram,
    confidence_change_table,
    confidence_scatter,
    reliability_chart,
)


def test_every_flip_is_a_mark_and_every_other_sample_darkens_its_cell(run: Any) -> None:
    comparison, samples = run.record().comparisons[0], run.samples()
    density, _, *marks = confidence_scatter(comparison, samples, run.class_names).figure["data"]
    rows = of_candidate(samples, comparison.candidate_name)
    changed = flipped(rows)
    assert sum(len(trace["customdata"]) for trace in marks) == changed.sum()
    cells = confidence.DENSITY_CELLS
    places = {
        (min(int(after * cells), cells - 1), min(int(before * cells), cells - 1))
        for before, after in zip(
            rows["baseline_confidence"][~changed].tolist(), rows["candidate_confidence"][~changed].tolist(), strict=True
        )
    }
    levels = _array(density["z"], (cells, cells))
    assert {tuple(place) for place in np.argwhere(levels > 0).tolist()} == places
    assert levels.max() == 255


def _array(value: Any, shape: tuple[int, int]) -> Any:
    """Return what plotly wrote as base64 or as nested lists."""
    if isinstance(value, dict):
        return np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"]).reshape(shape)
    return np.asarray(value)


def test_beyond_the_limit_the_surest_flips_are_drawn_and_counted(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "FLIPS_DRAWN", 7)
    chart = confidence_scatter(run.record().comparisons[0], run.samples(), run.class_names)
    assert sum(len(trace["customdata"]) for trace in chart.figure["data"][2:]) == 7
    assert "the 7 surest of" in chart.alt
    assert "samples.parquet" in confidence_scatter(run.record().comparisons[0], None, ()).missing


def test_the_histogram_holds_every_sample_and_colors_by_side(run: Any) -> None:
    comparison = run.record().comparisons[0]
    (bars,) = change_histogram(comparison).figure["data"]
    assert sum(bars["y"]) == sum(comparison.confidence.change_histogram.counts)
    colors = bars["marker"]["color"]
    assert {color for x, color in zip(bars["x"], colors, strict=True) if x < -1e-6} == {confidence.HARM}
    assert {color for x, color in zip(bars["x"], colors, strict=True) if x > 1e-6} == {confidence.CANDIDATE}


def test_bins_without_an_accuracy_are_left_out(run: Any) -> None:
    comparison = run.record().comparisons[0]
    shift = comparison.confidence
    first, *rest = shift.reliability_candidate
    partly = dataclasses.replace(
        shift, reliability_candidate=(dataclasses.replace(first, accuracy=None, mean_confidence=None), *rest)
    )
    _, _, drawn = reliability_chart(dataclasses.replace(comparison, confidence=partly)).figure["data"]
    known = [one for one in rest if one.accuracy is not None]
    assert drawn["y"] == [one.accuracy for one in known]
    none = dataclasses.replace(shift, reliability_baseline=(), reliability_candidate=())
    assert "no labels" in reliability_chart(dataclasses.replace(comparison, confidence=none)).missing


def test_groups_hold_their_own_number_of_images(run: Any) -> None:
    shift = run.record().comparisons[0].confidence
    counts = [row[1].text for row in confidence_change_table(shift).rows]
    assert counts == [f"{one.n:,}" for one in (shift.change_all, shift.change_same, shift.change_flipped)]
