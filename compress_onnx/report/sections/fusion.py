"""What the runtime made of each file: integer kernels, float nodes, leftovers."""

from __future__ import annotations

from compress_onnx.records import Comparison, FusionReceipt
from compress_onnx.report.kit import (
    Absent,
    Block,
    Cell,
    Fact,
    Note,
    ReportInput,
    Section,
    Table,
    Tone,
    absent,
    candidate_panels,
    code,
    percent,
    words,
)

TITLE = "Fusion receipt"
FLOAT_NODES_SHOWN = 40


def fusion_section(source: ReportInput) -> Section | Absent:
    """Return the fusion receipt of every candidate."""
    if not any(comparison.fusion for comparison in source.record.comparisons):
        return Absent(title=TITLE, reason="no candidate holds quantized nodes, or fusion was not inspected")
    return Section(
        key="fusion",
        title=TITLE,
        good="every heavy node runs as an integer kernel, no Q/DQ node is left over.",
        bad="float nodes or stray Q/DQ pairs: the file is small but the runtime still computes in float.",
        panels=candidate_panels(source, _blocks),
    )


def _blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
    del index
    return (Fact(cell=fusion_facts(comparison.fusion)), fusion_table(comparison.fusion))


def fusion_table(fusion: FusionReceipt | None) -> Table | Note:
    """Return the nodes that the runtime computes in floating point, with reasons."""
    if fusion is None:
        return Note(reason="No fusion receipt: the candidate holds no quantized nodes, or fusion was not inspected.")
    if not fusion.float_nodes:
        return Note(reason="Every node runs as an integer kernel.")
    rows = tuple((code(n.op), code(n.name), words(n.reason)) for n in fusion.float_nodes[:FLOAT_NODES_SHOWN])
    hidden = len(fusion.float_nodes) - len(rows)
    note = f"{hidden:,} more float nodes are in run.json." if hidden else ""
    return Table(caption="Nodes left in floating point", head=("Operator", "Node", "Reason"), rows=rows, note=note)


def fusion_facts(fusion: FusionReceipt | None) -> Cell:
    """Return the int8 share of a candidate's compute nodes as one cell with a bar."""
    if fusion is None:
        return absent("not inspected")
    detail = f"{fusion.quantized_nodes:,} integer kernels, {len(fusion.float_nodes):,} float nodes"
    stray = f"{fusion.stray_qdq:,} stray Q/DQ nodes"
    tone = Tone.BAD if fusion.stray_qdq else Tone.PLAIN
    return Cell(
        text=f"{percent(fusion.int8_fraction, 0)} int8",
        detail=f"{detail}, {stray}",
        bar=fusion.int8_fraction,
        tone=tone,
        word="left over" if fusion.stray_qdq else "",
    )
