"""What every page holds: its charts' figures, its scripts and styles, and plotly itself."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import zlib

from plotly.offline import get_plotlyjs

from compress_onnx.report.kit.chart import as_figure, keyed, missing_chart
from compress_onnx.report.kit.section import Page, Panel, Section
from compress_onnx.report.kit.templates import asset
from compress_onnx.report.pages.html import SCRIPTS, STYLES, figures_of, packed_plotly, render_page


def test_plotly_comes_out_of_its_packing_as_it_was() -> None:
    assert zlib.decompress(base64.b64decode(packed_plotly())).decode() == get_plotlyjs()


def test_only_charts_with_a_figure_are_drawn() -> None:
    drawn = dataclasses.replace(keyed("a", missing_chart("A", "none")), figure=as_figure([], {}), missing="")
    assert list(figures_of([drawn, keyed("b", missing_chart("B", "none"))])) == ["a"]


def test_a_page_holds_every_style_script_and_the_data_of_its_sections() -> None:
    section = Section(
        key="k", title="T<i>", good="g", bad="b", panels=(Panel(blocks=()),), data={"some-data": {"x": [1]}}
    )
    page = render_page(Page(title="A & B", subtitle="s", sections=(section,)))
    assert all(str(asset(name)) in page for name in (*STYLES, *SCRIPTS))
    found = re.search(r'id="some-data">(.*?)</script>', page)
    assert found is not None
    assert json.loads(found[1]) == {"x": [1]}
    assert '<h1 id="top-title">A &amp; B</h1>' in page
    assert "T&lt;i&gt;" in page
    assert page.count('href="#k"') == 1
