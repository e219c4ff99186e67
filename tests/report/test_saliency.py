"""What the report says and shows about saliency."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.metrics.saliency.mean_shift import untested
from compress_onnx.records.base import Better, Interval, Measure
from compress_onnx.records.saliency import (
    ClassSaliency,
    SaliencyMaps,
    SaliencyScale,
    SaliencyShift,
    ShiftVerdict,
    SystematicShift,
)
from compress_onnx.report.kit.cells import Tone
from compress_onnx.report.pages.run import render, warnings
from compress_onnx.report.pages.summary import saliency_cell
from compress_onnx.report.sections.saliency.maps import ZOOM, common_png, difference_png, outlined_png
from compress_onnx.report.sections.saliency.section import place_cell, saliency_view, verdict_cell
from compress_onnx.report.sections.saliency.tables import saliency_table


def measure(value: float, *, spread: float = 0.01) -> Measure:
    interval = Interval(low=value - spread, high=value + spread, level=0.95, method="BCa")
    return Measure(value=value, unit="fraction", better=Better.LOWER, n=400, interval=interval)


def systematic(verdict: ShiftVerdict = ShiftVerdict.NEGLIGIBLE, classes: int = 12) -> SystematicShift:
    return SystematicShift(
        verdict=verdict,
        n=400,
        p_value=0.001,
        permutations=999,
        cell_px=1,
        significant_fraction=measure(0.15),
        effect=measure(0.07),
        explained=measure(0.003),
        largest_effect=0.21,
        classes=tuple(
            ClassSaliency(
                class_name=f"<class {i}>",
                n=30,
                mean_absolute_deviation=measure(0.02),
                effect=None if i == 0 else i / 100,
                p_value=None if i == 0 else 0.0005,
                q_value=None if i == 0 else 0.02 if i == 5 else 0.5,
            )
            for i in range(classes)
        ),
    )


@pytest.fixture
def shift(run: Any) -> SaliencyShift:
    found = run.record().comparisons[0].saliency
    group = found.over_all
    return dataclasses.replace(
        found,
        floor=group,
        ceiling=group,
        over_flipped=None,
        over_flipped_undefined_reason="no explained sample has another class",
        scale_position=measure(0.42),
        scale=SaliencyScale(**{field.name: measure(0.3) for field in dataclasses.fields(SaliencyScale)}),
        systematic=systematic(),
    )


@pytest.fixture
def maps() -> SaliencyMaps:
    rng = np.random.default_rng(0)
    means, pair = rng.random((2, 8, 8)).astype(np.float32), rng.random((2, 2, 8, 8)).astype(np.float32)
    return SaliencyMaps(
        mean_baseline=means[0],
        mean_candidate=means[1],
        mean_difference=means[1] - means[0],
        significant=rng.random((8, 8)) > 0.5,
        example_ids=np.array(["<one>", "two"]),
        example_pixels=rng.integers(0, 256, (2, 8, 8, 3)).astype(np.uint8),
        example_baseline=pair[0],
        example_candidate=pair[1],
        example_deviation=np.array([0.1, 0.2], np.float32),
    )


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def test_two_maps_on_one_scale_have_equal_colors_for_equal_values() -> None:
    first, second = np.array([[0.0, 0.5]], np.float32), np.array([[0.5, 1.0]], np.float32)
    left, right = (pixels_of(common_png(m, 0, 1)) for m in (first, second))
    assert left[0, 1].tolist() == right[0, 0].tolist()
    assert left[0, 0].tolist() != left[0, 1].tolist() != right[0, 1].tolist()


def test_less_is_blue_no_change_white_and_more_orange() -> None:
    less, same, more = pixels_of(difference_png(np.array([[-2, 0, 2]], np.float32), 1.0))[0].astype(int)
    assert same.tolist() == [255, 255, 255]
    assert less[2] > less[0]
    assert more[0] > more[2]


def test_nothing_moved_is_white_all_over() -> None:
    assert (pixels_of(difference_png(np.zeros((3, 3), np.float32), 0.0)) == 255).all()
    assert pixels_of(common_png(np.full((2, 2), 0.3, np.float32), 0.3, 0.3)).shape == (2, 2, 3)


def test_regions_are_outlined_and_their_insides_left() -> None:
    marked = np.zeros((5, 5), bool)
    marked[1:4, 1:4] = True
    drawn = pixels_of(outlined_png(np.zeros((5, 5), np.float32), marked, 1.0))
    dark = (drawn != 255).any(axis=2)
    assert drawn.shape == (5 * ZOOM, 5 * ZOOM, 3)
    # The rim of a square of 3 cells, one pixel wide.
    assert dark.sum() == 4 * (3 * ZOOM - 1)
    assert dark[ZOOM, ZOOM : 4 * ZOOM].all()


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
def test_every_verdict_has_its_word_and_the_numbers_behind_it(verdict: ShiftVerdict) -> None:
    cell = verdict_cell(systematic(verdict))
    assert cell.word == verdict.value
    assert "p 0.001; effect 0.07 (0.06 to 0.08), a small one is 0.2" in cell.detail


def test_an_undecided_shift_says_why() -> None:
    cell = verdict_cell(untested("at least 10 samples are needed", n=3))
    assert (cell.word, cell.detail, cell.tone) == ("undecided", "at least 10 samples are needed", Tone.UNCLEAR)


def test_the_scale_stands_in_a_table_by_every_measure(shift: SaliencyShift, maps: SaliencyMaps) -> None:
    view = saliency_view(shift, maps)
    assert view is not None
    assert len(view.scale.rows) == 6
    assert [cell.text for cell in view.scale.rows[0]][4] == "42.0"
    assert "Flat maps" not in view.scale.note
    flat = saliency_view(dataclasses.replace(shift, flat_candidate=3), maps)
    assert flat is not None
    assert "0 of the baseline, 3 of the candidate" in flat.scale.note


def test_classes_that_moved_most_come_first_and_untested_ones_last(shift: SaliencyShift) -> None:
    view = saliency_view(shift, None)
    assert view is not None
    assert view.classes is not None
    assert [row[0].text for row in view.classes.rows[:2]] == ["<class 11>", "<class 10>"]
    assert (
        view.classes.note
        == "1 of 12 classes moved beyond chance (Benjamini-Hochberg, 5 %). 2 more classes are in run.json."
    )
    few = saliency_view(dataclasses.replace(shift, systematic=systematic(classes=1)), None)
    assert few is not None
    assert few.classes is not None
    assert few.classes.rows[0][3].detail == "too few images"


def test_galleries_hold_the_maps(shift: SaliencyShift, maps: SaliencyMaps) -> None:
    view = saliency_view(shift, maps)
    assert view is not None
    means, median, largest = view.galleries
    assert [picture.caption for picture in means.pictures] == [
        "baseline",
        "candidate",
        "candidate − baseline",
        "significant, outlined",
    ]
    assert (median.caption, largest.caption) == ("Median deviation: <one>, 0.100", "Largest deviation: two, 0.200")
    shown = pixels_of(base64.b64decode(median.pictures[0].data))
    assert np.array_equal(shown, maps.example_pixels[0])


def test_one_example_is_one_gallery(shift: SaliencyShift, maps: SaliencyMaps) -> None:
    names = ("example_ids", "example_pixels", "example_baseline", "example_candidate", "example_deviation")
    one = dataclasses.replace(maps, **{name: getattr(maps, name)[:1] for name in names})
    view = saliency_view(shift, one)
    assert view is not None
    assert len(view.galleries) == 2


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


def test_the_first_table_tells_the_place_and_a_systematic_shift(shift: SaliencyShift) -> None:
    cell = saliency_cell(dataclasses.replace(shift, systematic=systematic(ShiftVerdict.SYSTEMATIC)))
    assert "(41.0 to 43.0)" in cell.detail
    assert cell.word.endswith(", systematic")
    assert not saliency_cell(shift).word.endswith("systematic")


def test_a_missing_group_stands_in_the_table_with_its_reason(shift: SaliencyShift) -> None:
    flipped = saliency_table(shift).rows[2]  # type: ignore[union-attr]  # a table, since there are groups
    assert [cell.text for cell in flipped[:3]] == ["flipped", "0", "–"]
    assert flipped[2].detail == "no explained sample has another class"


def test_an_undefined_shift_warns_with_its_reason_alone(run: Any, shift: SaliencyShift) -> None:
    untrusted = dataclasses.replace(shift.fidelity_candidate, accepted=False)
    record = run.record()
    told = {}
    for reason in (None, "Candidate: it is fed other inputs."):
        changed = dataclasses.replace(shift, fidelity_candidate=untrusted, undefined_reason=reason)
        comparison = dataclasses.replace(record.comparisons[0], saliency=changed)
        told[reason] = [
            text for text in warnings(dataclasses.replace(record, comparisons=(comparison,))) if "saliency" in text
        ]
    assert "the twin of the candidate does not compute" in told[None][0]
    assert told["Candidate: it is fed other inputs."] == [
        f"{record.comparisons[0].candidate_name}, saliency: not measured. Candidate: it is fed other inputs."
    ]
