"""Where the model looks: the candidate between its anchors, whether the shift is systematic, and the maps."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np

from compress_onnx.records import (
    AttentionMaps,
    ClassAttention,
    Measure,
    SaliencyGroup,
    SaliencyShift,
    ShiftVerdict,
    SystematicShift,
)
from compress_onnx.report.attention_pictures import common_png, difference_png, outlined_png
from compress_onnx.report.cells import Cell, Table, Tone, absent, count, number_cell, p_cell, words
from compress_onnx.report.figures import percent, plain, span
from compress_onnx.report.pictures import png
from compress_onnx.report.section import Gallery, Picture

CLASSES_SHOWN = 10
SIGNIFICANT = 0.05
# By measure of a group: what it is called.
NAMES = {
    "mean_absolute_deviation": "Mean absolute deviation",
    "spearman": "Rank correlation",
    "top_k_overlap": "Overlap of the strongest 10 %",
    "ssim": "Structural similarity (SSIM)",
    "cosine": "Cosine",
    "center_shift": "Shift of the center, in diagonals",
}
VERDICTS = {
    ShiftVerdict.SYSTEMATIC: (Tone.BAD, "systematic"),
    ShiftVerdict.NEGLIGIBLE: (Tone.GOOD, "negligible"),
    ShiftVerdict.NOT_SYSTEMATIC: (Tone.GOOD, "not systematic"),
    ShiftVerdict.UNDECIDED: (Tone.UNCLEAR, "undecided"),
}
EXAMPLE_NAMES = ("Median deviation", "Largest deviation")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AttentionView:
    """What a candidate's saliency panel holds beside the distribution of deviations."""

    place: Cell
    verdict: Cell
    scale: Table
    classes: Table | None
    galleries: tuple[Gallery, ...]


def attention_view(shift: SaliencyShift | None, maps: AttentionMaps | None) -> AttentionView | None:
    """Return a candidate's attention, ``None`` where it was not measured; without maps, without galleries."""
    if shift is None or shift.over_all is None or shift.systematic is None:
        return None
    return AttentionView(
        place=place_cell(shift),
        verdict=verdict_cell(shift.systematic),
        scale=_scale_table(shift, shift.over_all),
        classes=_class_table(shift.systematic.classes),
        galleries=() if maps is None else (_mean_gallery(maps), *_example_galleries(maps)),
    )


def place_cell(shift: SaliencyShift) -> Cell:
    """Return where a candidate lies between noise and random weights, by deviation, with a bar."""
    place = shift.scale_position
    if place is None or place.value is None:
        return absent(place.undefined_reason if place else "the scale was not measured")
    interval = f" ({span(place.interval, scale=100, digits=1)})" if place.interval else ""
    return Cell(
        text=f"{percent(place.value, 1)}{interval} of the way from noise to random weights",
        detail="0 %: half a gray level of input noise, which no one can see; 100 %: weights in random order",
        bar=min(max(place.value, 0.0), 1.0),
    )


def verdict_cell(shift: SystematicShift) -> Cell:
    """Return in words whether attention moved in one way over all pictures.

    Tone and word follow the verdict; the effect's threshold is part of the detail.
    """
    tone, word = VERDICTS[shift.verdict]
    if shift.effect.value is None or shift.explained.value is None or shift.p_value is None:
        return Cell(text="Systematic shift", detail=shift.undefined_reason or "not tested", tone=tone, word=word)
    effect = f"effect {plain(shift.effect.value)} ({span(shift.effect.interval)})"
    explained = f"the mean shift explains {percent(shift.explained.value, 1)} of all movement"
    cells = f"{percent(shift.significant_fraction.value or 0.0, 0)} of the cells moved beyond chance"
    return Cell(
        text="Systematic shift",
        word=word,
        tone=tone,
        detail=f"p {p_cell(shift.p_value).text}; {effect}, a small one is 0.2; {explained}; {cells}",
    )


def _scale_table(shift: SaliencyShift, group: SaliencyGroup) -> Table:
    further = (
        {} if shift.scale is None else {f.name: getattr(shift.scale, f.name) for f in dataclasses.fields(shift.scale)}
    )
    places = {"mean_absolute_deviation": shift.scale_position, **further}
    rows = tuple(
        (
            words(title),
            _plain_cell(_of(shift.floor, name)),
            _plain_cell(_of(group, name)),
            _plain_cell(_of(shift.ceiling, name), shift.ceiling_undefined_reason),
            _plain_cell(places.get(name), percentage=100),
        )
        for name, title in NAMES.items()
    )
    return Table(
        caption="Between noise and random weights",
        head=("Measure", "Noise floor", "Candidate", "Random weights", "Place, %"),
        rows=rows,
        note=f"Over all {shift.n:,} images, method {shift.method}, with 95 % intervals.{_flat_note(shift)}",
    )


def _flat_note(shift: SaliencyShift) -> str:
    if not shift.flat_baseline and not shift.flat_candidate:
        return ""
    return (
        f" Flat maps, which prefer no pixel: {shift.flat_baseline:,} of the baseline, "
        f"{shift.flat_candidate:,} of the candidate."
    )


def _of(group: SaliencyGroup | None, name: str) -> Measure | None:
    found: Measure | None = None if group is None else getattr(group, name)
    return found


def _plain_cell(measure: Measure | None, reason: str | None = None, *, percentage: float = 1.0) -> Cell:
    """Return a measure as a bare number with its interval, times 100 where it is a percentage."""
    if measure is None:
        return absent(reason)
    if measure.value is None or percentage == 1.0:
        return number_cell(dataclasses.replace(measure, unit=""))
    return Cell(text=plain(percentage * measure.value, 1), detail=span(measure.interval, scale=percentage, digits=1))


def _class_table(classes: tuple[ClassAttention, ...]) -> Table | None:
    if not classes:
        return None
    ordered = sorted(classes, key=lambda one: (one.effect is None, -(one.effect or 0.0)))
    moved = sum(one.q_value is not None and one.q_value < SIGNIFICANT for one in classes)
    hidden = len(ordered) - CLASSES_SHOWN
    more = f" {hidden} more classes are in run.json." if hidden > 0 else ""
    return Table(
        caption="Classes whose mean map moved most",
        head=("Class", "Images", "Mean absolute deviation", "Effect", "p", "p adjusted"),
        rows=tuple(_class_row(one) for one in ordered[:CLASSES_SHOWN]),
        note=f"{moved} of {len(classes)} classes moved beyond chance (Benjamini-Hochberg, 5 %).{more}",
    )


def _class_row(one: ClassAttention) -> tuple[Cell, ...]:
    few = absent("too few images")
    return (
        words(one.class_name),
        count(one.n),
        number_cell(dataclasses.replace(one.mean_absolute_deviation, unit="")),
        few if one.effect is None else Cell(text=plain(one.effect)),
        few if one.p_value is None else p_cell(one.p_value),
        few if one.q_value is None else _q_cell(one.q_value),
    )


def _q_cell(q_value: float) -> Cell:
    moved = q_value < SIGNIFICANT
    return Cell(text=p_cell(q_value).text, tone=Tone.UNCLEAR if moved else Tone.PLAIN, word="moved" if moved else "")


def _mean_gallery(maps: AttentionMaps) -> Gallery:
    both = np.stack([maps.mean_baseline, maps.mean_candidate])
    low, high = float(both.min()), float(both.max())
    limit = float(np.abs(maps.mean_difference).max())
    share = percent(float(maps.significant.mean()), 0)
    return Gallery(
        caption="Mean maps over all explained pictures",
        pictures=(
            _picture(common_png(maps.mean_baseline, low, high), "baseline", "mean map of the baseline"),
            _picture(common_png(maps.mean_candidate, low, high), "candidate", "mean map of the candidate"),
            _picture(
                difference_png(maps.mean_difference, limit),
                "candidate − baseline",
                f"signed mean difference, from {plain(-limit, 3)} (blue) to {plain(limit, 3)} (orange)",
            ),
            _picture(
                outlined_png(maps.mean_difference, maps.significant, limit),
                "significant, outlined",
                f"the same difference, with the {share} of the cells that moved beyond chance outlined",
            ),
        ),
        note=f"Both means on one scale from {plain(low)} to {plain(high)}. Differences: blue looks less, orange more, "
        f"full color at {plain(limit, 3)}. Outlined: beyond chance at a false-discovery rate of 5 %.",
    )


def _example_galleries(maps: AttentionMaps) -> tuple[Gallery, ...]:
    difference = maps.example_candidate - maps.example_baseline
    limit = float(np.abs(difference).max(initial=0.0))
    return tuple(
        Gallery(
            caption=f"{name}: {sample}, {plain(float(deviation), 3)}",
            pictures=(
                _picture(png(pixels), "input", f"the picture {sample}"),
                _picture(common_png(before, 0, 1), "baseline", "map of the baseline"),
                _picture(common_png(after, 0, 1), "candidate", "map of the candidate"),
                _picture(
                    difference_png(moved, limit),
                    "candidate − baseline",
                    f"signed difference, from {plain(-limit)} (blue) to {plain(limit)} (orange)",
                ),
            ),
            note=f"Both maps on a scale from 0 to 1; full color of the difference at {plain(limit)}.",
        )
        for name, sample, deviation, pixels, before, after, moved in zip(
            EXAMPLE_NAMES,
            maps.example_ids.tolist(),
            maps.example_deviation,
            maps.example_pixels,
            maps.example_baseline,
            maps.example_candidate,
            difference,
            strict=False,
        )
    )


def _picture(content: bytes, caption: str, alt: str) -> Picture:
    return Picture(data=base64.b64encode(content).decode("ascii"), caption=caption, alt=alt)
