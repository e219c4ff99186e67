from __future__ import annotations

import re
from typing import Any

from compress_onnx.report.kit.markdown import sections_markdown
from compress_onnx.report.kit.section import charts_of
from compress_onnx.report.pages.run import build_view
from compress_onnx.report.pages.study.cases import StudyCell
from compress_onnx.report.pages.study.page import build_study_view

LINK = re.compile(r"\]\(charts/([^)]*)\.svg\)")


def test_every_table_keeps_its_columns_whatever_the_names(make_run: Any) -> None:
    run = make_run(class_names=("a|b", "<i>\n*c*", "plain"), candidates=("w8a8", "it`s"))
    text = sections_markdown(build_view(run.input()).sections)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows
    width = None
    for line in text.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        columns = len(re.findall(r"(?<!\\)\|", line))
        width = width or columns
        assert columns == width, line
    assert "<i>" not in text
    assert "&lt;i&gt;" in text


def test_charts_are_linked_where_they_are_and_left_out_elsewhere(make_run: Any) -> None:
    cells = [StudyCell(name="cell", record=make_run().record())]
    sections = build_study_view(cells).sections
    drawn = {chart.key for chart in charts_of(sections) if chart.figure is not None}
    assert set(LINK.findall(sections_markdown(sections, charts="charts"))) == drawn
    assert drawn
    assert "![" not in sections_markdown(sections)


def test_pictures_are_never_part_of_it(make_run: Any) -> None:
    text = sections_markdown(build_view(make_run().input()).sections, charts="charts")
    assert "base64" not in text
    assert "data:image" not in text
