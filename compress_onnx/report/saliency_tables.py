"""The tables of how similar saliency maps are, and of how exactly the twins that drew them compute."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import SaliencyGroup, SaliencyShift, TwinFidelity
from compress_onnx.report.cells import ABSENT_TEXT, Cell, Note, Table, Tone, absent, count, number_cell, words
from compress_onnx.report.figures import percent

HEAD = (
    *("Predictions", "Images", "Mean absolute deviation", "Rank correlation", "Top-k overlap", "SSIM"),
    *("Cosine", "Shift of the center, px"),
)


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
