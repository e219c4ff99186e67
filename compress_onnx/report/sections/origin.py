"""Where the numbers come from: command, artifacts, environment."""

from __future__ import annotations

import dataclasses

from compress_onnx.report import provenance
from compress_onnx.report.cells import Table
from compress_onnx.report.section import Section
from compress_onnx.report.source import ReportInput


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The command that makes the run again, how each artifact was made, and the facts around it."""

    command: str
    recipes: tuple[provenance.Recipe, ...]
    facts: tuple[Table, ...]


def section(source: ReportInput) -> Section:
    """Return the run's origin; every run has one."""
    record = source.record
    return Section(
        key="origin",
        title="Where it comes from",
        good="you can run the command below and get the same record but for times.",
        bad="an unknown parent, or another CPU than the one you deploy to.",
        template="sections/origin.html.j2",
        content=Origin(
            command=provenance.command(record),
            recipes=provenance.recipes(record.artifacts),
            facts=provenance.facts(record),
        ),
    )
