from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from compress_onnx.records.base import SCHEMA_VERSION, Better, Measure, undefined
from compress_onnx.records.latency import BenchRecord, LatencyComparison
from compress_onnx.report.kit.cells import Table
from compress_onnx.report.pages.bench.charts import bench_charts
from compress_onnx.report.pages.bench.page import bench_page, render_bench
from compress_onnx.report.pages.bench.settings import warnings_of


@pytest.fixture
def make_bench(run: Any) -> Any:
    """A bench of two candidates in as many settings as asked for."""
    first, second = (comparison.latency for comparison in run.record().comparisons[:2])
    floor = Measure(value=0.03, unit="fraction", better=Better.LOWER, n=10)
    rate = Measure(value=160.0, unit="1/s", better=Better.HIGHER, n=500)

    def rated(latency: LatencyComparison, **changes: Any) -> LatencyComparison:
        runs = {
            name: dataclasses.replace(getattr(latency, name), throughput=rate, first_ms=9.0, peak_bytes=70_000_000)
            for name in ("baseline", "candidate")
        }
        return dataclasses.replace(latency, **runs, noise_floor=floor, cores=(1,), **changes)

    def make(*settings: tuple[int, int], **changes: Any) -> BenchRecord:
        latency = [
            rated(found, threads=threads, batch=batch, significant=found is first)
            for threads, batch in settings
            for found in (first, second)
        ]
        return BenchRecord(
            schema_version=SCHEMA_VERSION,
            models=("nets/base.onnx", "nets/<b>fast.onnx", "other.onnx"),
            environment=run.record().environment,
            seed=0,
            latency=tuple(latency),
            explanations=((), ("It is small.",)),
            command=("compress-onnx", "bench", "a b.onnx"),
            started_at="2026-01-02T03:04:05+00:00",
            **changes,
        )

    return make


def tables_of(record: BenchRecord) -> list[Table]:
    numbers = next(section for section in bench_page(record).sections if section.key == "numbers")
    return [block for panel in numbers.panels for block in panel.blocks if isinstance(block, Table)]


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


def test_few_rounds_draw_a_speedup_without_interval_and_floor(make_bench: Any) -> None:
    record = make_bench((1, 1))
    none = undefined("too few rounds", unit="fraction", better=Better.LOWER)
    bare = [
        dataclasses.replace(
            found, noise_floor=none, significant=None, speedup=dataclasses.replace(found.speedup, interval=None)
        )
        for found in record.latency
    ]
    record = dataclasses.replace(record, latency=tuple(bare))
    assert bench_charts(record)["speedup"].figure is not None
    assert tables_of(record)[0].note == "Noise floor: too few rounds."


def test_what_lies_inside_the_noise_is_called_not_significant(make_bench: Any) -> None:
    rows = tables_of(make_bench((1, 1)))[0].rows
    assert [row[-1].word for row in rows] == ["", "faster", "not significant"]


def test_warnings_name_the_model_once(make_bench: Any) -> None:
    record = make_bench((1, 1), (1, 8))
    told = ("load average 9", "baseline: shaky", "candidate: shaky")
    record = dataclasses.replace(
        record, latency=tuple(dataclasses.replace(found, warnings=told) for found in record.latency)
    )
    assert warnings_of(record) == (
        "load average 9",
        "base: shaky (batch 1, 1 thread)",
        "<b>fast: shaky (batch 1, 1 thread)",
        "other: shaky (batch 1, 1 thread)",
        "base: shaky (batch 8, 1 thread)",
        "<b>fast: shaky (batch 8, 1 thread)",
        "other: shaky (batch 8, 1 thread)",
    )


def test_the_page_holds_tables_reasons_and_command_and_escapes_names(make_bench: Any) -> None:
    page = render_bench(make_bench((1, 1), (1, 8)))
    assert page.count("<caption>") == 3
    assert "<b>fast" not in page
    assert "It is small." in page
    assert "compress-onnx bench &#39;a b.onnx&#39;" in page
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)[1])
    assert set(figures) == {"throughput", "latency", "speedup", "distribution"}
    assert set(re.findall(r'data-chart="(\w+)"', page)) == set(figures)
    assert not re.search(r'(?:src|href)="http', page)
