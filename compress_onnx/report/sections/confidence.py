"""How sure the candidates are: confidence before and after, its change, its errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from compress_onnx.records import Comparison, ConfidenceShift, Histogram, Measure, ReliabilityBin
from compress_onnx.report.kit import (
    BASELINE,
    CANDIDATE,
    HARM,
    KIND_STYLE,
    NO_SAMPLES,
    Absent,
    Block,
    Chart,
    Columns,
    Pair,
    ReportInput,
    Section,
    Table,
    as_figure,
    axis,
    candidate_panels,
    change_cell,
    class_label,
    count,
    diagonal,
    flipped,
    keyed,
    known_cell,
    label,
    missing_chart,
    of_candidate,
    surest,
    words,
)

TITLE = "Confidence"
SQUARE_HEIGHT = 420
"""Height in pixels of a chart whose axes both run from 0 to 1."""
FLIPS_DRAWN = 1500
"""Marks a browser still draws at once as SVG without a pause one can feel."""
DENSITY_CELLS = 64
# An empty cell is clear, one sample is seen.
DENSITY_SCALE = [[0, "rgba(125,135,148,0)"], [0.003, "rgba(125,135,148,0.16)"], [1, "rgba(105,115,128,0.95)"]]
HEAD = ("Figure", "Baseline", "Candidate", "Change")


def confidence_section(source: ReportInput) -> Section | Absent:
    """Return confidence before and after, its change and its reliability."""
    if not source.record.comparisons:
        return Absent(title=TITLE, reason="this run compared no candidate")
    names = source.record.dataset.class_names

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        scatter = keyed(f"scatter-{index}", confidence_scatter(comparison, source.samples, names))
        by_group = confidence_change_table(comparison.confidence)
        histogram = keyed(f"histogram-{index}", change_histogram(comparison))
        reliability = keyed(f"reliability-{index}", reliability_chart(comparison))
        return (
            Pair(left=(scatter,), right=(reliability,)),
            Pair(left=(confidence_table(comparison.confidence),), right=(histogram, by_group)),
        )

    return Section(
        key="confidence",
        title=TITLE,
        good="points on the diagonal, flips only at low confidence, a narrow histogram at zero.",
        bad="flips in the upper right corner: the candidate is surely wrong where the baseline was surely right.",
        panels=candidate_panels(source, blocks),
    )


def confidence_scatter(comparison: Comparison, samples: Columns | None, names: tuple[str, ...]) -> Chart:
    """Return confidence of the baseline against the candidate's: flips marked by kind over the density of the rest."""
    title = "Confidence, baseline against candidate"
    if samples is None:
        return missing_chart(title, NO_SAMPLES)
    rows = of_candidate(samples, comparison.candidate_name)
    changed = flipped(rows)
    flips = surest(rows, changed, FLIPS_DRAWN)
    kinds = flips["flip_kind"].astype(str)
    traces = [_density(rows, ~changed), diagonal()]
    traces += [_flips(flips, kind, names) for kind in KIND_STYLE if np.any(kinds == kind)]
    layout = {
        "xaxis": axis("confidence of the baseline", range=[-0.02, 1.02]),
        "yaxis": axis("confidence of the candidate", range=[-0.02, 1.02]),
    }
    number, drawn = int(changed.sum()), len(kinds)
    marked = f"{number:,} flips" if drawn == number else f"the {drawn:,} surest of {number:,} flips"
    alt = (
        f"Gray: how many of {changed.size - number:,} samples keep their class, darker is more (log). "
        f"Marks: {marked}, by shape and color."
    )
    return Chart(title=title, alt=alt, height=SQUARE_HEIGHT, figure=as_figure(traces, layout))


def _density(rows: Columns, chosen: NDArray[np.bool_]) -> go.Heatmap:
    before = np.asarray(rows["baseline_confidence"][chosen], dtype=np.float64)
    after = np.asarray(rows["candidate_confidence"][chosen], dtype=np.float64)
    counts, _, _ = np.histogram2d(after, before, bins=DENSITY_CELLS, range=[[0, 1], [0, 1]])
    logs = np.log1p(counts)
    levels = np.ceil(255 * logs / max(float(logs.max()), 1.0)).astype(np.uint8)
    return go.Heatmap(
        x0=0.5 / DENSITY_CELLS,
        dx=1 / DENSITY_CELLS,
        y0=0.5 / DENSITY_CELLS,
        dy=1 / DENSITY_CELLS,
        z=levels,
        zmin=0,
        zmax=255,
        colorscale=DENSITY_SCALE,
        showscale=False,
        hoverinfo="skip",
        name="same class",
    )


def _flips(rows: Columns, kind: str, names: tuple[str, ...]) -> go.Scatter:
    chosen = np.flatnonzero((rows["flip_kind"] == kind) & flipped(rows))
    color, symbol = KIND_STYLE[kind]
    return go.Scatter(
        x=np.asarray(rows["baseline_confidence"][chosen], dtype=np.float32),
        y=np.asarray(rows["candidate_confidence"][chosen], dtype=np.float32),
        mode="markers",
        name=kind,
        marker={"size": 8, "color": color, "symbol": symbol, "line": {"width": 0.5, "color": "rgba(128,128,128,0.6)"}},
        customdata=[_hover(rows, int(index), names) for index in chosen],
        hovertemplate="%{customdata}<br>%{x:.3f} to %{y:.3f}<extra>" + kind + "</extra>",
    )


def _hover(rows: Columns, index: int, names: tuple[str, ...]) -> str:
    before, after = int(rows["baseline_class"][index]), int(rows["candidate_class"][index])
    return f"{label(str(rows['sample_id'][index]))}<br>{class_label(names, before)} to {class_label(names, after)}"


def change_histogram(comparison: Comparison) -> Chart:
    """Return the histogram of confidence change, on a log count axis so that tails stay visible."""
    histogram = comparison.confidence.change_histogram
    edges = np.asarray(histogram.edges)
    middle = (edges[:-1] + edges[1:]) / 2
    filled = np.abs(middle[np.asarray(histogram.counts) > 0])
    reach = min(1.0, 1.2 * float(filled.max(initial=0.05)))
    layout = {
        "xaxis": axis("candidate's confidence minus baseline's", zeroline=True, range=[-reach, reach]),
        "yaxis": axis("samples (log)", type="log", dtick=1),
        "showlegend": False,
        "bargap": 0,
    }
    total = sum(histogram.counts)
    alt = f"Histogram of confidence change over {total:,} samples; orange lost, green gained confidence, gray kept it."
    return Chart(title="Change of confidence", alt=alt, figure=as_figure([_change_bars(histogram, middle)], layout))


def _change_bars(histogram: Histogram, middle: NDArray[np.float64]) -> go.Bar:
    return go.Bar(
        x=middle.tolist(),
        y=list(histogram.counts),
        width=np.diff(histogram.edges).tolist(),
        marker={"color": [_direction(float(x)) for x in middle], "line": {"width": 0}},
        hovertemplate="%{x:.3f}: %{y:,} samples<extra></extra>",
    )


def _direction(change: float) -> str:
    # Rounding alone puts the middle bin's center beside zero.
    if abs(change) < 1e-9:
        return BASELINE
    return HARM if change < 0 else CANDIDATE


def reliability_chart(comparison: Comparison) -> Chart:
    """Return accuracy against confidence of both models, bin by bin."""
    title = "Reliability"
    shift = comparison.confidence
    sides = (
        ("baseline", shift.reliability_baseline, BASELINE, "circle"),
        ("candidate", shift.reliability_candidate, CANDIDATE, "square"),
    )
    traces = [_reliability(*side) for side in sides if _known(side[1])]
    if not traces:
        return missing_chart(title, "No bin has an accuracy: the data has no labels.")
    layout = {
        "xaxis": axis("mean confidence", range=[-0.02, 1.02]),
        "yaxis": axis("accuracy", range=[-0.02, 1.05]),
    }
    alt = "Accuracy against mean confidence per bin, both models; the dotted line is perfect calibration."
    return Chart(title=title, alt=alt, height=SQUARE_HEIGHT, figure=as_figure([diagonal(), *traces], layout))


def _known(bins: tuple[ReliabilityBin, ...]) -> list[ReliabilityBin]:
    return [b for b in bins if b.accuracy is not None and b.mean_confidence is not None]


def _reliability(name: str, bins: tuple[ReliabilityBin, ...], color: str, symbol: str) -> go.Scatter:
    filled = _known(bins)
    return go.Scatter(
        x=[b.mean_confidence for b in filled],
        y=[b.accuracy for b in filled],
        mode="lines+markers",
        name=name,
        line={"color": color, "dash": "dash" if name == "baseline" else "solid"},
        marker={"symbol": symbol, "size": 8},
        customdata=[f"{b.n:,}" for b in filled],
        hovertemplate="confidence %{x:.3f}, accuracy %{y:.3f}, %{customdata} samples<extra>" + name + "</extra>",
    )


def confidence_table(shift: ConfidenceShift) -> Table:
    """Return confidence, margin, calibration errors, log loss and Brier score of both models, and their change."""
    return Table(
        caption="Confidence of both models",
        head=HEAD,
        rows=tuple(
            (words(name), known_cell(before), known_cell(after), change_cell(change))
            for name, before, after, change in _figures(shift)
        ),
        note="ECE: how far confidence and accuracy are apart. Lower is better but for confidence and margin, which are "
        "neither good nor bad alone.",
    )


def _figures(shift: ConfidenceShift) -> tuple[tuple[str, Measure | None, Measure | None, Measure | None], ...]:
    """Return each figure's name, both models' values and the change."""
    return (
        ("Mean confidence", shift.mean_baseline, shift.mean_candidate, shift.change_all),
        ("Mean margin", shift.margin_baseline, shift.margin_candidate, shift.margin_change),
        ("ECE, bins of equal width", shift.ece_baseline, shift.ece_candidate, shift.ece_change),
        (
            "ECE, bins of equal mass",
            shift.ece_equal_mass_baseline,
            shift.ece_equal_mass_candidate,
            shift.ece_equal_mass_change,
        ),
        ("NLL", shift.nll_baseline, shift.nll_candidate, shift.nll_change),
        ("Brier score", shift.brier_baseline, shift.brier_candidate, shift.brier_change),
    )


def confidence_change_table(shift: ConfidenceShift) -> Table:
    """Return the mean confidence change over all, same and flipped predictions."""
    groups = (("all", shift.change_all), ("same class", shift.change_same), ("flipped", shift.change_flipped))
    rows = tuple((words(name), count(measure.n), change_cell(measure)) for name, measure in groups)
    return Table(caption="Confidence change by group", head=("Predictions", "Images", "Mean change"), rows=rows)
