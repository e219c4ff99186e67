"""What a measure's cell says: tone, word, reason."""

from __future__ import annotations

import pytest

from compress_onnx.records.base import Better, Interval, Measure, undefined
from compress_onnx.report.kit.cells import Tone, points_cell, speedup_cell


def change(value: float, low: float, high: float, better: Better = Better.HIGHER) -> Measure:
    interval = Interval(low=low, high=high, level=0.95, method="made up")
    return Measure(value=value, unit="fraction", better=better, n=100, interval=interval)


@pytest.mark.parametrize(
    ("measure", "tone", "word"),
    [
        (change(-0.02, -0.03, -0.01), Tone.BAD, "worse"),
        (change(0.02, 0.01, 0.03), Tone.GOOD, "better"),
        (change(0.02, 0.01, 0.03, Better.LOWER), Tone.BAD, "worse"),
        (change(-0.01, -0.03, 0.01), Tone.UNCLEAR, "no clear change"),
        (change(0.02, 0.01, 0.03, Better.NEITHER), Tone.PLAIN, ""),
    ],
)
def test_change_is_told_by_tone_and_word(measure: Measure, tone: Tone, word: str) -> None:
    cell = points_cell(measure)
    assert (cell.tone, cell.word) == (tone, word)
    assert bool(cell.sign) == (tone != Tone.PLAIN)


def test_speedup_whose_interval_holds_one_is_not_significant() -> None:
    assert speedup_cell(change(1.02, 0.98, 1.06)).word == "not significant"
    assert speedup_cell(change(0.5, 0.4, 0.6)).word == "slower"
    assert speedup_cell(change(4.4, 4.3, 4.5)).word == "faster"


def test_undefined_measure_keeps_its_reason() -> None:
    cell = points_cell(undefined("the data has no labels", unit="fraction", better=Better.HIGHER))
    assert cell.tone == Tone.ABSENT
    assert "the data has no labels" in cell.line
