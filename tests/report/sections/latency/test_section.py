"""The section says how long a call takes, or that nobody measured it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.report.kit.section import Absent
from compress_onnx.report.sections.latency.charts import speedup_chart
from compress_onnx.report.sections.latency.section import latency_chart, latency_section
from compress_onnx.report.sections.latency.tables import timed_pairs


def test_without_timing_chart_and_section_say_so(run: Any) -> None:
    bare = tuple(dataclasses.replace(comparison, latency=None) for comparison in run.record().comparisons)
    source = run.input(comparisons=bare)
    assert "not measured" in latency_section(source).reason
    assert "not measured" in latency_chart(source.record, "resnet18").missing
    assert "not measured" in speedup_chart([]).missing


def test_a_run_that_was_timed_in_part_has_a_section_of_what_was_timed(run: Any) -> None:
    first, *others = run.record().comparisons
    bare = tuple(dataclasses.replace(comparison, latency=None) for comparison in others)
    source = run.input(comparisons=(first, *bare))
    section = latency_section(source)
    assert not isinstance(section, Absent)
    assert section.key == "latency"
    assert len(latency_chart(source.record, source.baseline).figure["data"]) == 2


def test_the_chart_has_both_runs_of_every_timed_pair_each_in_its_color(run: Any) -> None:
    record = run.record()
    boxes = latency_chart(record, "resnet18").figure["data"]
    assert len(boxes) == 2 * len(timed_pairs(record))
    assert len({box["marker"]["color"] for box in boxes}) == 2


def test_the_words_beside_the_chart_name_the_slowest_of_all_calls(run: Any) -> None:
    record = run.record()
    first = record.comparisons[0]
    values = (*first.latency.candidate.values_ms[1:], 4321.0)
    slow = dataclasses.replace(first.latency, candidate=dataclasses.replace(first.latency.candidate, values_ms=values))
    changed = run.record(comparisons=(dataclasses.replace(first, latency=slow), *record.comparisons[1:]))
    before, after = (latency_chart(one, "resnet18").alt for one in (record, changed))
    assert f"{2 * len(timed_pairs(record))} latency runs" in after
    assert "4,321" in after or "4321" in after
    assert before != after


@pytest.mark.parametrize("key", ["speedup", "latency"])
def test_the_section_shows_both_charts_before_the_table(run: Any, key: str) -> None:
    (panel,) = latency_section(run.input()).panels
    assert key in [getattr(block, "key", None) for block in panel.blocks[:2]]
    assert getattr(panel.blocks[2], "key", None) not in {"speedup", "latency"}
