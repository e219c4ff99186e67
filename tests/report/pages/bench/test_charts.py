"""The charts of a bench page."""

from __future__ import annotations

from typing import Any

from compress_onnx.report.pages.bench.charts import bench_charts


def test_one_setting_has_no_sweep_but_says_so(make_bench: Any) -> None:
    charts = bench_charts(make_bench((1, 1)))
    assert charts["throughput"].figure is None
    assert "--batch 1,8,32" in charts["throughput"].missing
    assert charts["speedup"].figure is not None
    assert charts["distribution"].figure is not None


def test_a_sweep_has_a_line_per_model_and_number_of_threads(make_bench: Any) -> None:
    chart = bench_charts(make_bench((1, 1), (1, 8), (2, 1), (2, 8)))["throughput"]
    assert chart.figure is not None
    traces = chart.figure["data"]
    assert len(traces) == 6
    assert all(trace["x"] == [1, 8] for trace in traces)
    assert len({(trace["line"]["color"], trace["line"]["dash"]) for trace in traces}) == 6


def test_speedups_are_drawn_beside_the_noise_floor(make_bench: Any) -> None:
    chart = bench_charts(make_bench((1, 1)))["speedup"]
    assert chart.figure is not None
    bands = [shape for shape in chart.figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert [(round(band["x0"], 4), band["x1"]) for band in bands] == [(round(1 / 1.03, 4), 1.03)] * 2
    assert [mark["marker"]["symbol"] for mark in chart.figure["data"]] == ["circle", "circle-open"]
