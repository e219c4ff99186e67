"""A bench page's tables, reasons and command."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from compress_onnx.records.base import Better, undefined
from compress_onnx.records.latency import BenchRecord
from compress_onnx.report.kit.cells import Table
from compress_onnx.report.pages.bench.charts import bench_charts
from compress_onnx.report.pages.bench.page import bench_page, render_bench


def tables_of(record: BenchRecord) -> list[Table]:
    numbers = next(section for section in bench_page(record).sections if section.key == "numbers")
    return [block for panel in numbers.panels for block in panel.blocks if isinstance(block, Table)]


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
