from __future__ import annotations

import base64
import copy
import dataclasses
import io
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from compress_onnx.records.base import Better, Interval, Measure, undefined
from compress_onnx.records.verdict import Outcome
from compress_onnx.report.kit.cells import Tone, points_cell, speedup_cell
from compress_onnx.report.kit.comparisons import worst_class
from compress_onnx.report.kit.figures import MINUS, signed, size
from compress_onnx.report.kit.samples import even_indices, even_quantiles, flipped, surest
from compress_onnx.report.kit.source import ReportInput
from compress_onnx.report.pages.run import build_view
from compress_onnx.report.pages.summary import hurt_sentence, saliency_cell, summary_rows
from compress_onnx.report.sections.flips import flip_browser
from compress_onnx.report.sections.origin import command
from compress_onnx.report.sections.tradeoff import Point, pareto


def change(value: float, low: float, high: float, better: Better = Better.HIGHER) -> Measure:
    interval = Interval(low=low, high=high, level=0.95, method="made up")
    return Measure(value=value, unit="fraction", better=better, n=100, interval=interval)


def test_view_is_pure(run: Any) -> None:
    report_input = run.input()
    before = copy.deepcopy(report_input.samples)
    assert build_view(report_input) == build_view(run.input())
    assert all(
        np.array_equal(before[c], report_input.samples[c], equal_nan=before[c].dtype.kind == "f") for c in before
    )


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


def test_worst_class_is_the_naive_minimum(run: Any) -> None:
    for comparison in run.record().comparisons:
        lowest = min(result.change.value for result in comparison.classes)
        assert worst_class(comparison.classes).change.value == lowest


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


@pytest.mark.parametrize("outcome", list(Outcome))
def test_verdict_lists_the_rules_that_decided_first(run: Any, outcome: Outcome) -> None:
    record = run.record()
    view = build_view(
        ReportInput(record=dataclasses.replace(record, verdict=dataclasses.replace(record.verdict, outcome=outcome)))
    )
    expected = sum(check.outcome == outcome for check in record.verdict.checks)
    assert len(view.verdict.decided.rows) == expected
    assert len(view.verdict.others.rows) == len(record.verdict.checks) - expected


def test_maps_of_other_candidates_are_left_out(run: Any) -> None:
    report_input = ReportInput(record=run.record(), samples=run.samples(), pictures=run.pictures(), maps=run.maps())
    browser = flip_browser(report_input)
    names, rows = browser.rows["candidates"], browser.rows["rows"]
    shown = {(i, names[c]) for i, c in zip(rows["id"], rows["candidate"], strict=True)}
    places = browser.pictures["maps"]["places"]
    assert {(sample, name) for sample, own in places.items() for name in own if name != "resnet18"} == shown


def test_packed_maps_are_the_levels_of_their_pictures(run: Any) -> None:
    maps = run.maps()
    packed = flip_browser(dataclasses.replace(run.input(), maps=maps)).pictures["maps"]
    size = packed["height"] * packed["width"]
    levels = zlib.decompress(base64.b64decode(packed["levels"]))
    palette = np.array([[rgb >> 16, (rgb >> 8) & 255, rgb & 255] for rgb in packed["palette"]], dtype=np.uint8)
    for sample, own in list(packed["places"].items())[:20]:
        for name, place in own.items():
            painted = palette[list(levels[place * size : (place + 1) * size])]
            with Image.open(io.BytesIO(maps[sample, name])) as picture:
                assert painted.tobytes() == picture.convert("RGB").tobytes()


def test_flips_without_maps_hold_none(run: Any) -> None:
    browser = flip_browser(run.input())
    assert browser.pictures["maps"] is None
    assert not browser.has_maps


def test_command_is_quoted_for_a_shell(run: Any) -> None:
    assert command(run.record()).startswith("compress-onnx compare 'base line.onnx'")


@given(st.floats(-1e3, 1e3))
def test_signed_numbers_read_back(value: float) -> None:
    text = signed(value)
    assert float(text.replace(MINUS, "-")) == pytest.approx(value, abs=0.0051)
    assert text[0] in f"+{MINUS}" or float(text) == 0


@given(st.integers(0, 10**12))
def test_sizes_have_one_to_six_digits(number: int) -> None:
    assert len(size(number).split("\u00a0")[0].replace(",", "")) <= 6


@given(st.integers(0, 500), st.integers(2, 100))
def test_even_indices_are_distinct_and_hold_both_ends(n: int, limit: int) -> None:
    chosen = even_indices(n, limit)
    assert len(set(chosen.tolist())) == len(chosen) == min(n, limit)
    assert n == 0 or (chosen[0] == 0 and chosen[-1] == n - 1)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=300))
def test_sub_sample_keeps_extremes(values: list[float]) -> None:
    kept = even_quantiles(np.array(values), 20)
    assert (kept[0], kept[-1]) == (min(values), max(values))


def test_surest_rows_are_those_both_models_are_sure_of(run: Any) -> None:
    columns = {name: values[: run.n] for name, values in run.samples().items()}
    changed = flipped(columns)
    kept = surest(columns, changed, 10)
    both = np.minimum(columns["baseline_confidence"], columns["candidate_confidence"])[changed]
    assert sorted(np.minimum(kept["baseline_confidence"], kept["candidate_confidence"])) == sorted(both)[-10:]
    assert len(surest(columns, changed, 10_000)["label"]) == changed.sum()


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_pareto_front_is_what_nobody_dominates(pairs: list[tuple[int, int]]) -> None:
    points = [Point(name=str(i), x=x, y=y) for i, (x, y) in enumerate(pairs)]
    beaten = {(p.x, p.y) for p in points for q in points if q.x <= p.x and q.y >= p.y and (q.x, q.y) != (p.x, p.y)}
    assert {(p.x, p.y) for p in pareto(points)} == {(p.x, p.y) for p in points} - beaten
