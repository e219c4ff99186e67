"""Where the models look: how far the maps moved between noise floor and randomized ceiling."""

from __future__ import annotations

from compress_onnx.records import Comparison
from compress_onnx.report.attention import AttentionView, attention_view
from compress_onnx.report.cells import Note
from compress_onnx.report.chart import keyed
from compress_onnx.report.saliency_tables import fidelity_table, saliency_table
from compress_onnx.report.sample_charts import saliency_chart
from compress_onnx.report.section import Absent, Block, Fact, Fold, Section, candidate_panels
from compress_onnx.report.source import ReportInput

TITLE = "Saliency"


def section(source: ReportInput) -> Section | Absent:
    """Return the shift of attention of every candidate."""
    if not any(comparison.saliency for comparison in source.record.comparisons):
        return Absent(title=TITLE, reason="saliency was not measured in this run")

    def blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
        view = attention_view(comparison.saliency, source.attention.get(comparison.candidate_name))
        chart = keyed(f"saliency-{index}", saliency_chart(comparison, source.samples))
        facts, rest = _attention(view) if view else ((), ())
        withheld = (Note(reason=source.withheld),) if source.withheld else ()
        twins = (fidelity_table(comparison.saliency),) if comparison.saliency else ()
        return (*facts, chart, saliency_table(comparison.saliency), *rest, *twins, *withheld)

    return Section(
        key="saliency",
        title=TITLE,
        good="a place near 0 %, all bars close to the floor and no systematic shift: the model looks where it looked.",
        bad="bars near the ceiling, as foreign as the maps of random weights, or one outlined region that all pictures "
        "gained or lost.",
        panels=candidate_panels(source, blocks),
    )


def _attention(view: AttentionView) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Return what stands before the chart, and what after the table of groups."""
    classes = (Fold(summary="Attention by class", blocks=(view.classes,)),) if view.classes else ()
    return (Fact(cell=view.place), Fact(cell=view.verdict)), (view.scale, *view.galleries, *classes)
