"""Charts of single samples: confidence before and after, its change, reliability, saliency deviation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from compress_onnx.records import Comparison, ReliabilityBin
from compress_onnx.report.chart import (
    BASELINE,
    CANDIDATE,
    HARM,
    KIND_STYLE,
    Chart,
    as_figure,
    axis,
    class_label,
    diagonal,
    label,
    missing_chart,
)
from compress_onnx.report.samples import Columns, finite, flipped, of_candidate, surest

NO_SAMPLES = "samples.parquet is missing, so single samples cannot be drawn."
BINS = 40
SQUARE_HEIGHT = 420
"""Height in pixels of a chart whose axes both run from 0 to 1."""
FLIPS_DRAWN = 1500
"""Marks a browser still draws at once as SVG without a pause one can feel."""
DENSITY_CELLS = 64
# An empty cell is clear, one sample is seen.
DENSITY_SCALE = [[0, "rgba(125,135,148,0)"], [0.003, "rgba(125,135,148,0.16)"], [1, "rgba(105,115,128,0.95)"]]


def confidence_scatter(comparison: Comparison, samples: Columns | None, names: tuple[str, ...]) -> Chart:
    """Return confidence of the baseline against the candidate's: flips marked by kind over the density of the rest."""
    title = "Confidence, baseline against candidate"
    if samples is None:
        return missing_chart(title, NO_SAMPLES)
    every = of_candidate(samples, comparison.candidate_name)
    changed = flipped(every)
    flips = surest(every, changed, FLIPS_DRAWN)
    kinds = flips["flip_kind"].astype(str)
    traces = [_density(every, ~changed), diagonal()]
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
    bars = go.Bar(
        x=middle.tolist(),
        y=list(histogram.counts),
        width=np.diff(edges).tolist(),
        marker={"color": [_direction(float(x)) for x in middle], "line": {"width": 0}},
        hovertemplate="%{x:.3f}: %{y:,} samples<extra></extra>",
    )
    layout = {
        "xaxis": axis("candidate's confidence minus baseline's", zeroline=True, range=[-reach, reach]),
        "yaxis": axis("samples (log)", type="log", dtick=1),
        "showlegend": False,
        "bargap": 0,
    }
    total = sum(histogram.counts)
    alt = f"Histogram of confidence change over {total:,} samples; orange lost, green gained confidence, gray kept it."
    return Chart(title="Change of confidence", alt=alt, figure=as_figure([bars], layout))


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
    known = _known(bins)
    return go.Scatter(
        x=[b.mean_confidence for b in known],
        y=[b.accuracy for b in known],
        mode="lines+markers",
        name=name,
        line={"color": color, "dash": "dash" if name == "baseline" else "solid"},
        marker={"symbol": symbol, "size": 8},
        customdata=[f"{b.n:,}" for b in known],
        hovertemplate="confidence %{x:.3f}, accuracy %{y:.3f}, %{customdata} samples<extra>" + name + "</extra>",
    )


def saliency_chart(comparison: Comparison, samples: Columns | None) -> Chart:
    """Return the distribution of saliency deviation, same and flipped apart, between floor and ceiling."""
    title = "Saliency deviation per sample"
    shift = comparison.saliency
    if shift is None:
        return missing_chart(title, "Saliency was not measured in this run.")
    if samples is None:
        return missing_chart(title, NO_SAMPLES)
    rows = of_candidate(samples, comparison.candidate_name)
    changed = flipped(rows)
    groups = (
        ("same class", finite(rows["saliency_deviation"][~changed]), BASELINE, ""),
        ("flipped", finite(rows["saliency_deviation"][changed]), HARM, "/"),
    )
    every = np.concatenate([values for _, values, _, _ in groups])
    if not every.size:
        return missing_chart(title, shift.undefined_reason or "No sample has a saliency deviation.")
    anchors = [("floor", shift.noise_floor), ("ceiling", shift.randomized_ceiling)]
    known = [(name, value) for name, value in anchors if value is not None]
    edges = np.linspace(0.0, max([float(every.max()), *(value for _, value in known)]) * 1.05 or 1.0, BINS + 1)
    layout = {
        "xaxis": axis("mean absolute deviation of the map", range=[0, float(edges[-1])]),
        "yaxis": axis("% of the group's samples"),
        "barmode": "overlay",
        "bargap": 0,
        "margin": {"l": 56, "r": 16, "t": 34, "b": 48},
        **_anchor_lines(known),
    }
    traces = [_share(name, values, edges, (color, hatch)) for name, values, color, hatch in groups if values.size]
    more = f" Flips beyond the {shift.n:,} images of the table are among them." if every.size > shift.n else ""
    alt = (
        f"Distribution of saliency deviation over {every.size:,} samples with noise floor and randomized ceiling.{more}"
    )
    return Chart(title=title, alt=alt, figure=as_figure(traces, layout))


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


def _anchor_lines(known: Iterable[tuple[str, float]]) -> dict[str, Any]:
    anchors = list(known)
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
