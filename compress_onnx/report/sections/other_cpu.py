"""What the same files answer on another CPU; only in a run that asked for one."""

from __future__ import annotations

from compress_onnx.report.cross_cpu_tables import cross_cpu_table
from compress_onnx.report.section import Panel, Section
from compress_onnx.report.source import ReportInput


def section(source: ReportInput) -> Section | None:
    """Return the answers of all files on the other CPU, ``None`` where none was asked for."""
    table = cross_cpu_table(source.record.comparisons, source.baseline)
    if table is None:
        return None
    return Section(
        key="other-cpu",
        title="Another CPU",
        good="no flips: the file answers alike wherever it runs.",
        bad="more flips between two CPUs than between baseline and candidate: the CPU changes the answers more than "
        "compression did.",
        panels=(Panel(blocks=(table,)),),
    )
