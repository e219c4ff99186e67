from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.records.base import Better, Interval, Measure
from compress_onnx.report.kit.cells import Tone
from compress_onnx.report.kit.section import Section
from compress_onnx.report.kit.source import PreviousRun, ReportInput
from compress_onnx.report.sections.previous_run import (
    FIGURES,
    figures_table,
    moved,
    predictions_changed,
    previous_run_section,
    setting_table,
    unmatched,
    verdict_sentence,
)


def measure(value: float, half: float, better: Better = Better.HIGHER) -> Measure:
    interval = Interval(low=value - half, high=value + half, level=0.95, method="made up")
    return Measure(value=value, unit="fraction", better=better, n=100, interval=interval)


@pytest.mark.parametrize(
    ("old", "new", "tone"),
    [
        (measure(0.90, 0.01), measure(0.95, 0.01), Tone.GOOD),
        (measure(0.95, 0.01), measure(0.90, 0.01), Tone.BAD),
        (measure(0.02, 0.005, Better.LOWER), measure(0.05, 0.005, Better.LOWER), Tone.BAD),
        (measure(0.90, 0.04), measure(0.93, 0.04), Tone.UNCLEAR),
    ],
)
def test_a_move_is_clear_only_where_intervals_part(old: Measure, new: Measure, tone: Tone) -> None:
    assert moved(FIGURES[0], old, new).tone == tone


def test_a_run_against_itself_moves_nowhere(run: Any) -> None:
    comparison = run.record().comparisons[0]
    table = figures_table(comparison, comparison)
    assert len(table.rows) == len(FIGURES)
    assert {row[3].text for row in table.rows} == {"the same"}
    assert setting_table(run.record(), run.record()) is None


def test_figures_that_one_run_lacks_say_so(run: Any) -> None:
    comparison = run.record().comparisons[0]
    bare = dataclasses.replace(comparison, latency=None, saliency=None)
    moves = {row[0].text: row[3].detail for row in figures_table(bare, comparison).rows}
    assert moves["Speed-up"] == moves["Saliency deviation"] == "not in both runs"
    assert "Speed-up" not in {row[0].text for row in figures_table(bare, bare).rows}


def test_answers_are_matched_by_sample_not_by_place(run: Any) -> None:
    columns = run.samples()
    own = columns["candidate"] == "w8a8"
    turned = {name: values[own][::-1] for name, values in columns.items()}
    assert predictions_changed(turned, columns, "w8a8").startswith("The candidate answers differently on 0 of 600")
    other = {**turned, "candidate_class": turned["candidate_class"] + 1}
    assert predictions_changed(other, columns, "w8a8").startswith("The candidate answers differently on 600 of 600")
    assert "share no sample" in predictions_changed({**turned, "sample_id": turned["candidate"]}, columns, "w8a8")


def test_changed_settings_and_lone_candidates_are_named(run: Any, make_run: Any) -> None:
    old, new = make_run(candidates=("w8a8", "gone")).record(), run.record(config={"seed": 1})
    named = {row[0].text for row in setting_table(old, new).rows}
    assert "Option seed" in named
    sentences = " ".join(unmatched(old.comparisons, new.comparisons))
    assert "gone\u2069 is only in the older run" in sentences
    assert "w4a8\u2069 is only in this run" in sentences
    assert verdict_sentence(run.record(verdict=None), new) == "Verdict: no verdict before, fail now."


def test_the_section_is_there_only_when_asked_for(run: Any, make_run: Any) -> None:
    assert previous_run_section(run.input()) is None
    previous = make_run(candidates=("w8a8",))
    source = ReportInput(record=run.record(), previous=PreviousRun(record=previous.record()))
    section = previous_run_section(source)
    assert isinstance(section, Section)
    assert len(section.panels) == 1 + len(source.record.comparisons)
