"""The tables of how similar saliency maps are, by group and class, and of how exactly the twins that drew them compute."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import ClassSaliency, Measure, SaliencyGroup, SaliencyShift, TwinFidelity
from compress_onnx.report.kit import (
    ABSENT_TEXT,
    Cell,
    Note,
    Table,
    Tone,
    absent,
    count,
    number_cell,
    p_cell,
    percent,
    plain,
    span,
    words,
)

HEAD = (
    *("Predictions", "Images", "Mean absolute deviation", "Rank correlation", "Top-k overlap", "SSIM"),
    *("Cosine", "Shift of the center, px"),
)
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


def saliency_table(shift: SaliencyShift | None) -> Table | Note:
    """Return how similar the maps are, over all, same and flipped predictions."""
    if shift is None:
        return Note(reason="Saliency was not measured in this run.")
    if shift.over_all is None:
        return Note(reason=shift.undefined_reason or "No saliency map was compared.")
    groups = (
        ("all", shift.over_all, None),
        ("same class", shift.over_same, shift.over_same_undefined_reason),
        ("flipped", shift.over_flipped, shift.over_flipped_undefined_reason),
    )
    anchors = f"Noise floor {_anchor(shift.noise_floor)}, randomized ceiling {_anchor(shift.randomized_ceiling)}."
    return Table(
        caption="Similarity of saliency maps",
        head=HEAD,
        rows=tuple(_saliency_row(*group) for group in groups),
        note=f"{anchors} Method {shift.method}, target {shift.target}, {shift.n:,} images.",
    )


def _saliency_row(name: str, group: SaliencyGroup | None, reason: str | None) -> tuple[Cell, ...]:
    if group is None:
        return (words(name), count(0), *[absent(reason)] * 6)
    measures = (group.mean_absolute_deviation, group.spearman, group.top_k_overlap, group.ssim)
    further = (group.cosine, group.center_shift_px)
    # The head says the unit: plain numbers.
    return (
        words(name),
        count(group.n),
        *(number_cell(dataclasses.replace(m, unit="")) if m else absent(None) for m in (*measures, *further)),
    )


def _anchor(value: float | None) -> str:
    return ABSENT_TEXT if value is None else f"{value:.4f}"


def fidelity_table(shift: SaliencyShift) -> Table:
    """Return how exactly the PyTorch twins compute what the files compute: on them all maps rest."""
    sides = (("baseline", shift.fidelity_baseline), ("candidate", shift.fidelity_candidate))
    return Table(
        caption="Do the twins, on which the maps were drawn, compute what the files compute?",
        head=("Twin of the", "Images", "Same class", "Logits differ by at most", "Accepted"),
        rows=tuple((words(name), *_fidelity_row(fidelity)) for name, fidelity in sides),
    )


def _fidelity_row(fidelity: TwinFidelity) -> tuple[Cell, ...]:
    tone, word, mark = (Tone.GOOD, "accepted", "\u2714") if fidelity.accepted else (Tone.BAD, "not accepted", "\u2718")
    return (
        count(fidelity.n),
        Cell(text=percent(fidelity.top1_agreement)),
        Cell(text=f"{fidelity.max_abs_logit_diff:.2g}"),
        Cell(text=word, tone=tone, mark=mark, kind="outcome"),
    )


def scale_table(shift: SaliencyShift, group: SaliencyGroup) -> Table:
    """Return where the candidate lies between noise floor and random weights, by every measure."""
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
    measure: Measure | None = None if group is None else getattr(group, name)
    return measure


def _plain_cell(measure: Measure | None, reason: str | None = None, *, percentage: float = 1.0) -> Cell:
    """Return a measure as a bare number with its interval, times 100 where it is a percentage."""
    if measure is None:
        return absent(reason)
    if measure.value is None or percentage == 1.0:
        return number_cell(dataclasses.replace(measure, unit=""))
    return Cell(text=plain(percentage * measure.value, 1), detail=span(measure.interval, scale=percentage, digits=1))


def class_table(classes: tuple[ClassSaliency, ...]) -> Table | None:
    """Return the classes whose mean map moved most, ``None`` where none was tested."""
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


def _class_row(one: ClassSaliency) -> tuple[Cell, ...]:
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
