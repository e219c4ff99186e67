"""The table of what the same files answer on another CPU."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.records.base import Better, Measure
from compress_onnx.records.cross_cpu import CrossCpu, CrossCpuPredictions
from compress_onnx.report.pages.run import build_view, render
from compress_onnx.report.sections.cross_cpu import cross_cpu_table
from compress_onnx.report.sections.weights import footprint_table


@pytest.fixture
def crossed(run: Any) -> Any:
    """A made-up run whose first candidate also ran on an emulated CPU."""
    record = run.record()
    first = record.comparisons[0]
    exact = Measure(value=0.5, unit="logit", better=Better.LOWER, n=first.flips.n)
    answers = CrossCpuPredictions(
        flips=first.flips,
        accuracy=first.accuracy.candidate,
        accuracy_change=first.accuracy.change,
        max_logit_difference=exact,
    )
    own = {field.name: getattr(answers, field.name) for field in dataclasses.fields(answers)}
    cross = CrossCpu(
        target="qemu:haswell",
        environment=dataclasses.replace(record.environment, cpu_model="Haswell", emulator="qemu-x86_64 7.2.22"),
        baseline=dataclasses.replace(answers, flips=dataclasses.replace(first.flips, negative=None, flips=0)),
        latency_reason="emulated",
        **own,
    )
    return dataclasses.replace(
        record, comparisons=(dataclasses.replace(first, cross_cpu=cross), *record.comparisons[1:])
    )


def test_one_row_per_file_that_ran_there(crossed: Any) -> None:
    table = cross_cpu_table(crossed.comparisons, "resnet18")
    assert table is not None
    assert [row[0].text for row in table.rows] == ["resnet18", crossed.comparisons[0].candidate_name]
    assert "Haswell" in table.caption
    assert "emulated by qemu-x86_64 7.2.22" in table.caption
    assert table.rows[0][1].word == "none"
    assert all(len(row) == len(table.head) for row in table.rows)
    assert "p50 there" not in table.head
    assert "emulated" in table.note


def test_a_run_without_a_target_has_no_such_table(run: Any) -> None:
    assert cross_cpu_table(run.record().comparisons, "resnet18") is None
    assert cross_cpu_table((), "resnet18") is footprint_table((), "resnet18") is None


def test_latency_there_has_a_column_where_it_was_measured(crossed: Any) -> None:
    first = crossed.comparisons[0]
    timed = dataclasses.replace(first.cross_cpu, latency=first.latency, latency_reason=None)
    table = cross_cpu_table((dataclasses.replace(first, cross_cpu=timed),), "resnet18")
    assert table is not None
    assert table.head[-1] == "p50 there"
    assert "ms" in table.rows[1][-1].text


def test_the_page_has_a_section_only_with_a_target(run: Any, crossed: Any) -> None:
    page = render(run.input(comparisons=crossed.comparisons))
    assert 'id="cross-cpu"' in page
    assert 'id="cross-cpu"' not in render(run.input())
    assert "cross-cpu" not in {section.key for section in build_view(run.input()).sections}
