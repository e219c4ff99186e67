"""What the runtime made of a file, as one fact and a table."""

from __future__ import annotations

from compress_onnx.records import FusionReceipt
from compress_onnx.report.cells import Cell, Note, Table, Tone, absent, code, words
from compress_onnx.report.figures import percent

FLOAT_NODES_SHOWN = 40


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
