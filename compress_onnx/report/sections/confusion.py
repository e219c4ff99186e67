"""Which confusions grew and which shrank."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from compress_onnx.metrics import confusion_tables
from compress_onnx.records import ChangedConfusion, Comparison, ConfusionChange
from compress_onnx.report.kit import (
    HARM,
    REPAIR,
    Absent,
    Block,
    Cell,
    Chart,
    Note,
    ReportInput,
    Section,
    Table,
    Tone,
    as_figure,
    axis,
    candidate_panels,
    count,
    keyed,
    label,
    missing_chart,
    signed,
    words,
)

TITLE = "Confusion"
NUMBERED_CELLS = 20
"""Most classes at which a number still fits into a heat map's cell."""
CELL_HEIGHTS = (17, 40)
"""Least and most height in pixels of a heat map's cell; few classes get high ones."""
GRID_HEIGHT = 480
SHORT_NAME = 3
"""Most letters of names that stand upright below a heat map."""
# One picture more or less must be seen: the scale starts at a third of its strength on both sides.
HARM_SCALE = [[0, REPAIR], [0.49, "rgba(47,134,208,0.3)"], [0.51, "rgba(217,84,43,0.3)"], [1, HARM]]
COLOR_BAR = {"title": {"text": "harm"}, "thickness": 12, "outlinewidth": 0, "len": 0.7}
HEAT_CLASSES = 45
"""Most classes of a heat map whose names can still be read."""


def confusion_section(source: ReportInput) -> Section | Absent:
    """Return the change of confusion counts of every candidate."""
    names = source.record.dataset.class_names
    if not any(comparison.confusion for comparison in source.record.comparisons):
        return Absent(title=TITLE, reason="no confusion counts were recorded, as happens without labels")

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        chart = keyed(f"confusion-{index}", confusion_chart(comparison, names))
        return (chart, confusion_table(comparison.confusion))

    return Section(
        key="confusion",
        title=TITLE,
        good="a nearly empty map, or blue cells: repaired answers.",
        bad="one strong orange cell: a class is now systematically taken for another.",
        panels=candidate_panels(source, blocks),
    )


def confusion_chart(comparison: Comparison, names: tuple[str, ...]) -> Chart:
    """Return the heat map of changed confusion counts; beyond the limit the classes that changed most."""
    title = "Change of confusion counts"
    if comparison.confusion is None:
        return missing_chart(title, "No confusion counts were recorded: the data has no labels.")
    before, after = confusion_tables(comparison.confusion, len(names))
    chosen = most_changed(after - before, HEAT_CLASSES)
    grid = np.ix_(chosen, chosen)
    shown = tuple(label(names[index]) for index in chosen)
    if not np.any(after - before):
        return missing_chart(title, "Candidate and baseline confuse the same classes equally often.")
    raw = [names[index] for index in chosen]
    meta = {"flips": {"candidate": comparison.candidate_name, "labels": raw, "said": raw}}
    hidden = len(names) - len(shown)
    left_out = f" The {hidden} classes that changed least are left out." if hidden else ""
    upright = max(map(len, raw)) <= SHORT_NAME
    cell = int(np.clip(GRID_HEIGHT // len(shown), *CELL_HEIGHTS))
    return Chart(
        title=title,
        alt=f"Confusion counts of {comparison.candidate_name} minus the baseline's, {len(shown)} classes.{left_out} "
        "The table below lists the confusions that changed most.",
        height=(170 if upright else 230) + cell * len(shown),
        min_width=260 + 14 * len(shown),
        figure=as_figure([_heat(before[grid], after[grid], shown, meta=meta)], _heat_layout(shown, upright=upright)),
    )


def _heat_layout(names: tuple[str, ...], *, upright: bool) -> dict[str, object]:
    ticks = {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False, "tickfont": {"size": 11}}
    return {
        "xaxis": axis("predicted class", **ticks, tickangle=0 if upright else -90),
        "yaxis": axis("true class", **ticks, autorange="reversed"),
    }


def most_changed(change: NDArray[np.int64], limit: int) -> NDArray[np.intp]:
    """Return the indices, ascending, of at most ``limit`` classes whose row or column changed most.

    >>> most_changed(np.array([[0, 0, 0], [0, -2, 2], [0, 0, 0]]), 2).tolist()
    [1, 2]
    """
    amount = np.abs(change).sum(axis=0) + np.abs(change).sum(axis=1)
    return np.sort(np.argsort(-amount, kind="stable")[:limit])


def _heat(
    before: NDArray[np.int64], after: NDArray[np.int64], names: tuple[str, ...], *, meta: Mapping[str, object]
) -> go.Heatmap:
    change = after - before
    # More right answers repair, more wrong ones harm: the diagonal's sign is turned.
    harm = np.where(np.eye(len(names), dtype=bool), -change, change)
    limit = int(np.abs(harm).max(initial=1))
    numbers = [[signed(float(value), 0) if value else "" for value in row] for row in change]
    return go.Heatmap(
        z=[[int(value) if value else None for value in row] for row in harm],
        zmin=-limit,
        zmax=limit,
        colorscale=HARM_SCALE,
        text=numbers if len(names) <= NUMBERED_CELLS else None,
        texttemplate="%{text}" if len(names) <= NUMBERED_CELLS else None,
        customdata=_hover(before, after, names),
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        meta=meta,
        xgap=1,
        ygap=1,
        colorbar=COLOR_BAR,
    )


def _hover(before: NDArray[np.int64], after: NDArray[np.int64], names: tuple[str, ...]) -> list[list[str]]:
    """Return what each cell of the heat map says: nothing where nothing changed."""
    return [
        [
            f"{true} as {predicted}: {old} to {new}" if old != new else ""
            for predicted, old, new in zip(names, before[row], after[row], strict=True)
        ]
        for row, true in enumerate(names)
    ]


def confusion_table(confusion: ConfusionChange | None) -> Table | Note:
    """Return the mistakes that grew or shrank most, as the record lists them."""
    if confusion is None:
        return Note(reason="No confusion counts were recorded: the data has no labels.")
    if not confusion.most_changed:
        return Note(reason="Candidate and baseline make the same mistakes equally often.")
    head = ("True class", "Predicted", "Baseline", "Candidate", "Change")
    return Table(
        caption="Mistakes whose number changed most", head=head, rows=tuple(map(_confusion_row, confusion.most_changed))
    )


def _confusion_row(confusion: ChangedConfusion) -> tuple[Cell, ...]:
    grew = confusion.change > 0
    change = Cell(
        text=signed(confusion.change, 0),
        tone=Tone.BAD if grew else Tone.GOOD,
        word="more wrong" if grew else "fewer wrong",
    )
    return (
        words(confusion.true_class),
        words(confusion.predicted_class),
        count(confusion.baseline),
        count(confusion.candidate),
        change,
    )
