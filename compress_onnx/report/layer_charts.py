"""Sparsity and bit width, layer by layer."""

from __future__ import annotations

from plotly import graph_objects as go

from compress_onnx.records import Artifact, LayerWeights
from compress_onnx.report.cells import Cell, Note, Table, code, count, words
from compress_onnx.report.chart import BASELINE, CANDIDATE, SIDEWAYS, Chart, as_figure, axis, label, missing_chart
from compress_onnx.report.figures import percent

LAYERS_SHOWN = 60
"""Most layers a chart or table shows; beyond, the largest stay."""
ROW_HEIGHT = 20
FRAME_HEIGHT = 96
NOT_RECORDED = "Layers were not recorded: the run was made by an older version."
# Narrower weights, stronger color; the hatch says the same in gray.
LOOKS = {4: (SIDEWAYS, "x"), 8: (CANDIDATE, "/")}


def shown_layers(layers: tuple[LayerWeights, ...]) -> tuple[LayerWeights, ...]:
    """Return the layers to show, in graph order; beyond the limit the largest.

    >>> shown_layers(())
    ()
    """
    if len(layers) <= LAYERS_SHOWN:
        return layers
    least = sorted((layer.elements for layer in layers), reverse=True)[LAYERS_SHOWN - 1]
    return tuple(layer for layer in layers if layer.elements >= least)[:LAYERS_SHOWN]


def layer_chart(artifact: Artifact) -> Chart:
    """Return the share of zero weights of each layer, first layer at the top, bit width by look and word."""
    title = "Zero weights per layer"
    shown = shown_layers(artifact.layers)
    if not shown:
        return missing_chart(title, NOT_RECORDED)
    rows = list(range(len(shown)))
    layout = {
        "xaxis": axis("zero weights in %", range=[0, 100]),
        "yaxis": axis("", tickvals=rows, ticktext=[label(x.name) for x in shown], range=[len(shown) - 0.4, -0.6]),
        "barmode": "overlay",
        "bargap": 0.35,
    }
    widths = sorted({layer.bits for layer in shown})
    spoken = ", ".join(f"{sum(x.bits == bits for x in shown)} of {bits} bits" for bits in widths)
    return Chart(
        title=title,
        alt=f"{len(shown)} weight tensors of {artifact.name} in graph order, {spoken}; the table lists the numbers.",
        height=FRAME_HEIGHT + ROW_HEIGHT * len(shown),
        figure=as_figure([_bars(shown, bits) for bits in widths], layout),
    )


def _bars(shown: tuple[LayerWeights, ...], bits: int) -> go.Bar:
    rows = [(row, layer) for row, layer in enumerate(shown) if layer.bits == bits]
    color, hatch = LOOKS.get(bits, (BASELINE, ""))
    return go.Bar(
        orientation="h",
        name=f"{bits} bits",
        x=[100 * _zeros(layer) for _, layer in rows],
        y=[row for row, _ in rows],
        marker={"color": color, "pattern": {"shape": hatch}, "line": {"width": 1, "color": color}},
        customdata=[[label(x.name), f"{x.elements:,}", " x ".join(map(str, x.shape))] for _, x in rows],
        hovertemplate="%{customdata[0]}<br>%{x:.1f} % of %{customdata[1]} weights, %{customdata[2]}<extra>"
        f"{bits} bits</extra>",
    )


def _zeros(layer: LayerWeights) -> float:
    return 1 - layer.nonzero / layer.elements if layer.elements else 0.0


def layer_table(artifact: Artifact) -> Table | Note:
    """Return shape, bit width and zeros of each layer."""
    shown = shown_layers(artifact.layers)
    if not shown:
        return Note(reason=NOT_RECORDED)
    hidden = len(artifact.layers) - len(shown)
    return Table(
        caption="Weight tensors in graph order",
        head=("Tensor", "Used by", "Shape", "Bits", "Weights", "Zero"),
        rows=tuple(map(_row, shown)),
        note=f"{hidden:,} smaller tensors are in run.json." if hidden else "",
    )


def _row(layer: LayerWeights) -> tuple[Cell, ...]:
    return (
        code(layer.name),
        words(", ".join(dict.fromkeys(layer.ops))),
        code(" x ".join(map(str, layer.shape))),
        count(layer.bits),
        count(layer.elements),
        Cell(text=percent(_zeros(layer), 1), bar=_zeros(layer)),
    )
