"""What the files hold: precision, sparsity and size, whole and layer by layer."""

from __future__ import annotations

from compress_onnx.records import Artifact, Comparison
from compress_onnx.report.chart import keyed
from compress_onnx.report.footprint_tables import footprint_table
from compress_onnx.report.layer_charts import layer_chart, layer_table
from compress_onnx.report.provenance import artifact_table
from compress_onnx.report.section import Absent, Block, Fold, Panel, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Sparsity and precision"


def section(source: ReportInput) -> Section | Absent:
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
