from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.errors import MissingProgramError
from compress_onnx.report.kit import static
from compress_onnx.report.kit.chart import missing_chart
from compress_onnx.report.kit.section import charts_of
from compress_onnx.report.pages.run import build_view


def test_without_a_browser_the_error_names_the_package(
    monkeypatch: pytest.MonkeyPatch, run: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match=r"Chromium or Chrome .* apt-get install chromium"):
        static.export_charts(charts_of(build_view(run.input()).sections), tmp_path)


def test_charts_without_a_figure_need_no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert static.export_charts([missing_chart("Speed", "not measured")], tmp_path) == ()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed (apt-get install chromium)")
def test_every_chart_becomes_an_svg(make_run: Any, tmp_path: Path) -> None:
    run = make_run(class_names=("<b>&", "$x$", "plain"), candidates=("w8a8",))
    charts = list(charts_of(build_view(run.input()).sections))
    paths = static.export_charts(charts, tmp_path / "charts")
    assert {path.stem for path in paths} == {chart.key for chart in charts if chart.figure is not None}
    for path in paths:
        root = ET.parse(path).getroot()  # noqa: S314  # written a moment ago
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter())) > 20
