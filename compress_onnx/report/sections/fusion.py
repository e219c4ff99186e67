"""What the runtime made of each file: integer kernels, float nodes, leftovers."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.fusion_tables import fusion_facts, fusion_table
from compress_onnx.report.section import Absent, Block, Fact, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Fusion receipt"


def section(source: ReportInput) -> Section | Absent:
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
