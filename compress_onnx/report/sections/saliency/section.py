"""Where the models look: how far the maps moved between noise floor and randomized ceiling."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from compress_onnx.records import Comparison, SaliencyMaps, SaliencyShift, ShiftVerdict, SystematicShift
from compress_onnx.report.kit import (
    BASELINE,
    HARM,
    NO_SAMPLES,
    Absent,
    Block,
    Cell,
    Chart,
    Columns,
    Fact,
    Fold,
    Gallery,
    Note,
    ReportInput,
    Section,
    Table,
    Tone,
    absent,
    as_figure,
    axis,
    candidate_panels,
    finite,
    flipped,
    keyed,
    missing_chart,
    of_candidate,
    p_cell,
    percent,
    plain,
    span,
)
from compress_onnx.report.sections.saliency.maps import example_galleries, mean_gallery
from compress_onnx.report.sections.saliency.tables import class_table, fidelity_table, saliency_table, scale_table

TITLE = "Saliency"
VERDICTS = {
    ShiftVerdict.SYSTEMATIC: (Tone.BAD, "systematic"),
    ShiftVerdict.NEGLIGIBLE: (Tone.GOOD, "negligible"),
    ShiftVerdict.NOT_SYSTEMATIC: (Tone.GOOD, "not systematic"),
    ShiftVerdict.UNDECIDED: (Tone.UNCLEAR, "undecided"),
}
BINS = 40
Group: TypeAlias = tuple[str, NDArray[np.float64], str, str]


def saliency_section(source: ReportInput) -> Section | Absent:
    """Return how far every candidate's saliency moved."""
    if not any(comparison.saliency for comparison in source.record.comparisons):
        return Absent(title=TITLE, reason="saliency was not measured in this run")

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        view = saliency_view(comparison.saliency, source.mean_maps.get(comparison.candidate_name))
        chart = keyed(f"saliency-{index}", saliency_chart(comparison, source.samples))
        facts, rest = _around_the_chart(view) if view else ((), ())
        withheld = (Note(reason=source.withheld),) if source.withheld else ()
        twins = (fidelity_table(comparison.saliency),) if comparison.saliency else ()
        return (*facts, chart, saliency_table(comparison.saliency), *rest, *twins, *withheld)

    return Section(
        key="saliency",
        title=TITLE,
        good="a place near 0 %, all bars close to the floor and no systematic shift: the model looks where it looked.",
        bad="bars near the ceiling, as foreign as the maps of random weights, or one outlined region that all pictures "
        "gained or lost.",
        panels=candidate_panels(source, blocks),
    )


def _around_the_chart(view: SaliencyView) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Return what stands before the chart, and what after the table of groups."""
    classes = (Fold(summary="Saliency by class", blocks=(view.classes,)),) if view.classes else ()
    return (Fact(cell=view.place), Fact(cell=view.verdict)), (view.scale, *view.galleries, *classes)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SaliencyView:
    """What a candidate's saliency panel holds beside the distribution of deviations."""

    place: Cell
    verdict: Cell
    scale: Table
    classes: Table | None
    galleries: tuple[Gallery, ...]


def saliency_view(shift: SaliencyShift | None, maps: SaliencyMaps | None) -> SaliencyView | None:
    """Return a candidate's shift of saliency, ``None`` where it was not measured; without maps, without galleries."""
    if shift is None or shift.over_all is None or shift.systematic is None:
        return None
    return SaliencyView(
        place=place_cell(shift),
        verdict=verdict_cell(shift.systematic),
        scale=scale_table(shift, shift.over_all),
        classes=class_table(shift.systematic.classes),
        galleries=() if maps is None else (mean_gallery(maps), *example_galleries(maps)),
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
    """Return in words whether saliency moved in one way over all pictures.

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


def saliency_chart(comparison: Comparison, samples: Columns | None) -> Chart:
    """Return the distribution of saliency deviation, same and flipped apart, between floor and ceiling."""
    title = "Saliency deviation per sample"
    shift = comparison.saliency
    if shift is None:
        return missing_chart(title, "Saliency was not measured in this run.")
    if samples is None:
        return missing_chart(title, NO_SAMPLES)
    groups = _groups(of_candidate(samples, comparison.candidate_name))
    n = sum(values.size for _, values, _, _ in groups)
    if not n:
        return missing_chart(title, shift.undefined_reason or "No sample has a saliency deviation.")
    ends = (("floor", shift.noise_floor), ("ceiling", shift.randomized_ceiling))
    anchors = [(name, value) for name, value in ends if value is not None]
    furthest = max(
        float(value) for value in (*(values.max(initial=0.0) for _, values, _, _ in groups), *dict(anchors).values())
    )
    edges = np.linspace(0.0, furthest * 1.05 or 1.0, BINS + 1)
    traces = [_share(name, values, edges, (color, hatch)) for name, values, color, hatch in groups if values.size]
    more = f" Flips beyond the {shift.n:,} images of the table are among them." if n > shift.n else ""
    alt = f"Distribution of saliency deviation over {n:,} samples with noise floor and randomized ceiling.{more}"
    return Chart(title=title, alt=alt, figure=as_figure(traces, _layout(float(edges[-1]), anchors)))


def _groups(rows: Columns) -> tuple[Group, ...]:
    """Return the deviations of samples that kept and that changed their class, with color and hatch."""
    changed, deviations = flipped(rows), rows["saliency_deviation"]
    return (
        ("same class", finite(deviations[~changed]), BASELINE, ""),
        ("flipped", finite(deviations[changed]), HARM, "/"),
    )


def _layout(end: float, anchors: Sequence[tuple[str, float]]) -> dict[str, Any]:
    return {
        "xaxis": axis("mean absolute deviation of the map", range=[0, end]),
        "yaxis": axis("% of the group's samples"),
        "barmode": "overlay",
        "bargap": 0,
        "margin": {"l": 56, "r": 16, "t": 34, "b": 48},
        **_anchor_lines(anchors),
    }


def _share(name: str, values: NDArray[np.float64], edges: NDArray[np.float64], look: tuple[str, str]) -> go.Bar:
    counts, _ = np.histogram(values, edges)
    return go.Bar(
        x=((edges[:-1] + edges[1:]) / 2).tolist(),
        y=(100 * counts / values.size).tolist(),
        width=float(edges[1] - edges[0]),
        name=f"{name} ({values.size:,})",
        opacity=0.7,
        marker={"color": look[0], "pattern": {"shape": look[1]}, "line": {"width": 0}},
        hovertemplate="deviation %{x:.4f}: %{y:.1f} %<extra>" + name + "</extra>",
    )


def _anchor_lines(anchors: Sequence[tuple[str, float]]) -> dict[str, Any]:
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": BASELINE, "dash": "dash", "width": 2}}
    text = {"yref": "paper", "y": 1, "yanchor": "top", "showarrow": False}
    return {
        "shapes": [{**line, "x0": value, "x1": value} for _, value in anchors],
        "annotations": [
            {
                **text,
                "x": value,
                "text": name,
                "xanchor": "left" if name == "floor" else "right",
                "xshift": 4 if name == "floor" else -4,
            }
            for name, value in anchors
        ],
    }
