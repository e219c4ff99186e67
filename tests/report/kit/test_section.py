"""What a page is made of keeps its order, however deep a block lies."""

from __future__ import annotations

from typing import Any

from compress_onnx.report.kit.chart import keyed, missing_chart
from compress_onnx.report.kit.section import Fold, Grid, Pair, Panel, Section, Text, candidate_panels, charts_of


def test_charts_come_in_reading_order_from_any_depth() -> None:
    first, second, third, fourth, fifth = (keyed(key, missing_chart(key, "none")) for key in "abcde")
    blocks = (
        first,
        Pair(left=(second, Fold(summary="s", blocks=(third,))), right=(Grid(columns=2, blocks=(fourth,)),)),
    )
    section = Section(key="k", title="t", good="", bad="", panels=(Panel(blocks=blocks), Panel(blocks=(fifth,))))
    assert [chart.key for chart in charts_of([section])] == list("abcde")
    assert list(charts_of([])) == []


def test_each_candidate_has_a_panel_under_its_place_and_name(run: Any) -> None:
    source = run.input()
    panels = candidate_panels(source, lambda index, comparison: (Text(text=f"{index} {comparison.candidate_name}"),))
    names = [comparison.candidate_name for comparison in source.record.comparisons]
    assert [(panel.index, panel.name) for panel in panels] == list(enumerate(names))
    assert [panel.blocks[0].text for panel in panels] == [f"{index} {name}" for index, name in enumerate(names)]
