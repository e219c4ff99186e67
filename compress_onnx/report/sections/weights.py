"""What the files hold: precision, sparsity and size, whole and layer by layer."""

from __future__ import annotations

from plotly import graph_objects as go

from compress_onnx.records import Artifact, Comparison, Footprint, LayerWeights, Measure
from compress_onnx.report.kit import (
    BASELINE,
    CANDIDATE,
    SIDEWAYS,
    Absent,
    Block,
    Cell,
    Chart,
    Fold,
    Note,
    Panel,
    ReportInput,
    Section,
    Table,
    absent,
    as_figure,
    axis,
    candidate_panels,
    code,
    count,
    keyed,
    label,
    missing_chart,
    percent,
    size,
    words,
)

TITLE = "Sparsity and precision"
LAYERS_SHOWN = 60
"""Most layers a chart or table shows; beyond, the largest stay."""
ROW_HEIGHT = 20
FRAME_HEIGHT = 96
NOT_RECORDED = "Layers were not recorded: the run was made by an older version."
# Narrower weights, stronger color; the hatch says the same in gray.
LOOKS = {4: (SIDEWAYS, "x"), 8: (CANDIDATE, "/")}
FOOTPRINT_NOTE = (
    "Entropy: what a perfect coder needs that knows each weight tensor's histogram and uses no order; out of "
    "reach for float weights, whose histogram is as long as they are. "
    "In memory: growth of a fresh process at loading."
)


def weights_section(source: ReportInput) -> Section | Absent:
    """Return all artifacts in one table, then each candidate's layers."""
    artifacts = source.record.artifacts
    if not artifacts:
        return Absent(title=TITLE, reason="the record names no artifact")
    by_hash = {artifact.sha256: artifact for artifact in artifacts}

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        artifact = by_hash.get(comparison.candidate_sha256)
        return _layers(index, artifact) if artifact and artifact.layers else ()

    sizes = footprint_table(source.record.comparisons, source.baseline)
    layered = tuple(panel for panel in candidate_panels(source, blocks) if panel.blocks)
    return Section(
        key="weights",
        title=TITLE,
        good="fewer bytes on disk and zipped at equal accuracy.",
        bad="many zeros but an equal file: scattered zeros shrink only the zipped file, and buy no speed here.",
        panels=(Panel(blocks=(artifact_table(artifacts), *((sizes,) if sizes else ()))), *layered),
    )


def _layers(index: int, artifact: Artifact) -> tuple[Block, ...]:
    chart = keyed(f"layers-{index}", layer_chart(artifact))
    return (chart, Fold(summary="Numbers of every tensor shown", blocks=(layer_table(artifact),)))


def artifact_table(artifacts: tuple[Artifact, ...]) -> Table:
    """Return precision, sparsity and size of every artifact."""
    head = ("Artifact", "Precision", "Zero weights", "Weights", "Non-zero", "File", "Zipped", "Opset", "SHA-256")
    return Table(caption="Precision, sparsity and size", head=head, rows=tuple(map(_artifact_row, artifacts)))


def _artifact_row(artifact: Artifact) -> tuple[Cell, ...]:
    return (
        words(artifact.name),
        code(artifact.precision),
        Cell(text=percent(artifact.sparsity, 1), bar=artifact.sparsity),
        count(artifact.weights),
        count(artifact.nonzero_weights),
        Cell(text=size(artifact.file_bytes)),
        Cell(text=size(artifact.zip_bytes)),
        count(artifact.opset),
        code(artifact.sha256[:12]),
    )


def footprint_table(comparisons: tuple[Comparison, ...], baseline: str) -> Table | None:
    """Return the further sizes of baseline and candidates, beside file and zipped bytes, ``None`` for a run without comparisons."""
    if not comparisons:
        return None
    rows = [(baseline, comparisons[0].footprint_baseline)]
    rows += [(comparison.candidate_name, comparison.footprint_candidate) for comparison in comparisons]
    head = ("Artifact", "zstd", "Weights' entropy", "In memory", "Stored by type")
    return Table(
        caption="Bytes by coder, by type and in memory",
        head=head,
        rows=tuple(_footprint_row(name, footprint) for name, footprint in rows),
        note=FOOTPRINT_NOTE,
    )


def _footprint_row(name: str, footprint: Footprint) -> tuple[Cell, ...]:
    stored = ", ".join(f"{kind} {size(number)}" for kind, number in footprint.initializer_bytes.items())
    return (
        words(name),
        _bytes(footprint.zstd_bytes),
        _bytes(footprint.entropy_bytes),
        _resident(footprint.resident),
        words(stored) if stored else absent(None),
    )


def _bytes(number: int | None) -> Cell:
    return absent(None) if number is None else Cell(text=size(number))


def _resident(measure: Measure | None) -> Cell:
    if measure is None:
        return absent("measured with latency only")
    return absent(measure.undefined_reason) if measure.value is None else Cell(text=size(int(measure.value)))


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
