"""Who gets hurt: recall change per class, and which confusions grew."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from compress_onnx.metrics import confusion_tables
from compress_onnx.records import ClassResult, Comparison
from compress_onnx.report.chart import BASELINE, HARM, REPAIR, Chart, as_figure, axis, label, missing_chart
from compress_onnx.report.class_tables import NO_RECALL, beyond_chance, shown_classes
from compress_onnx.report.figures import signed
from compress_onnx.report.summary import is_discovered, is_significant

ROW_HEIGHT = 19
FRAME_HEIGHT = 90
NUMBERED_CELLS = 20
"""Most classes at which a number still fits into a heat map's cell."""
CELL_HEIGHTS = (17, 40)
"""Least and most height in pixels of a heat map's cell; few classes get high ones."""
GRID_HEIGHT = 480
SHORT_NAME = 3
"""Most letters of names that stand upright below a heat map."""
# One picture more or less must be seen: the scale starts at a third of its strength on both sides.
HARM_SCALE = [[0, REPAIR], [0.49, "rgba(47,134,208,0.3)"], [0.51, "rgba(217,84,43,0.3)"], [1, HARM]]
HEAT_CLASSES = 45
"""Most classes of a heat map whose names can still be read."""


def class_chart(comparison: Comparison) -> Chart:
    """Return the recall change of each class with its interval, largest loss at the top."""
    title = "Recall change per class"
    shown = shown_classes(comparison.classes)
    if not shown:
        return missing_chart(title, NO_RECALL)
    significant, discovered = sum(map(is_significant, shown)), sum(map(is_discovered, shown))
    rows = list(range(len(shown)))
    names = [label(result.class_name) for result in shown]
    layout = {
        "xaxis": axis("points of recall", zeroline=True),
        "yaxis": axis("", tickvals=rows, ticktext=names, range=[len(shown) - 0.4, -0.6]),
        "showlegend": False,
    }
    return Chart(
        title=title,
        alt=f"{len(shown)} classes sorted by change of recall under {comparison.candidate_name}; "
        f"{significant} beyond chance by Holm (filled circles), {discovered} by Benjamini and Hochberg (these and diamonds). "
        "The table below lists the same numbers.",
        height=FRAME_HEIGHT + ROW_HEIGHT * len(shown),
        figure=as_figure([_class_trace(shown, comparison.candidate_name)], layout),
    )


def _class_trace(shown: tuple[ClassResult, ...], candidate: str) -> go.Scatter:
    values = [100 * (result.change.value or 0.0) for result in shown]
    intervals = [result.change.interval for result in shown]
    up = [100 * i.high - value if i else 0.0 for i, value in zip(intervals, values, strict=True)]
    down = [value - 100 * i.low if i else 0.0 for i, value in zip(intervals, values, strict=True)]
    marks = [is_significant(result) or is_discovered(result) for result in shown]
    return go.Scatter(
        x=values,
        y=list(range(len(shown))),
        mode="markers",
        error_x={"array": up, "arrayminus": down, "symmetric": False, "thickness": 1, "width": 0, "color": BASELINE},
        marker={
            "size": 9,
            "color": [_color(value, mark) for value, mark in zip(values, marks, strict=True)],
            "symbol": list(map(_symbol, shown)),
        },
        customdata=[[label(r.class_name), f"{r.support:,}", beyond_chance(r)] for r in shown],
        hovertemplate="%{customdata[0]}<br>%{x:.2f} points, %{customdata[1]} images, beyond chance: %{customdata[2]}"
        "<br>click: its flips<extra></extra>",
        # Read by the page's script: a click on a mark shows the flips behind it.
        meta={"flips": {"candidate": candidate, "labels": [result.class_name for result in shown]}},
    )


def _symbol(result: ClassResult) -> str:
    if is_significant(result):
        return "circle"
    return "diamond" if is_discovered(result) else "circle-open"


def _color(value: float, marked: object) -> str:
    if not marked or value == 0:
        return BASELINE
    return HARM if value < 0 else REPAIR


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
    left_out = (
        f" The {len(names) - len(shown)} classes that changed least are left out." if len(chosen) < len(names) else ""
    )
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
    hover = [
        [
            f"{names[row]} as {names[column]}: {before[row, column]} to {after[row, column]}"
            if change[row, column]
            else ""
            for column in range(len(names))
        ]
        for row in range(len(names))
    ]
    numbers = [[signed(float(value), 0) if value else "" for value in row] for row in change]
    return go.Heatmap(
        z=[[int(value) if value else None for value in row] for row in harm],
        zmin=-limit,
        zmax=limit,
        colorscale=HARM_SCALE,
        text=numbers if len(names) <= NUMBERED_CELLS else None,
        texttemplate="%{text}" if len(names) <= NUMBERED_CELLS else None,
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        meta=meta,
        xgap=1,
        ygap=1,
        colorbar={"title": {"text": "harm"}, "thickness": 12, "outlinewidth": 0, "len": 0.7},
    )
