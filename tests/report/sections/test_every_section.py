"""What the sections show of the records: nothing is left out, and what is missing says why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from compress_onnx.metrics.compare import compare_outputs
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.records.run import Comparison, RunRecord
from compress_onnx.report.kit.cells import Table
from compress_onnx.report.kit.section import Fact, Fold, Grid, Pair
from compress_onnx.report.kit.source import ReportInput
from compress_onnx.report.pages.run import ReportView, build_view, render
from compress_onnx.report.sections.predictions import flip_table


def blocks_in(blocks: Iterable[Any]) -> Iterator[Any]:
    for block in blocks:
        if isinstance(block, Pair):
            yield from blocks_in((*block.left, *block.right))
        elif isinstance(block, Fold | Grid):
            yield from blocks_in(block.blocks)
        else:
            yield block


def tables(view: ReportView, key: str) -> list[Table]:
    section = next(section for section in view.sections if section.key == key)
    return [block for panel in section.panels for block in blocks_in(panel.blocks) if isinstance(block, Table)]


def text_of(view: ReportView, key: str) -> str:
    section = next(section for section in view.sections if section.key == key)
    found = []
    for block in (block for panel in section.panels for block in blocks_in(panel.blocks)):
        if isinstance(block, Table):
            found += [block.caption, block.note, *block.head, *(cell.line for row in block.rows for cell in row)]
        if isinstance(block, Fact):
            found.append(block.cell.line)
    return "\n".join(found).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "predictions",
            ("Top 5", "99.20 %", "McNemar", "Jensen-Shannon", "0.0111 nats", "16.8 dB", "agreement_of_plugin"),
        ),
        ("classes", ("p (BH)", "spread by 2.25 points", "4.80 points", "Holm")),
        ("confidence", ("Brier score", "+0.0221 nats", "+0.88 points", "equal mass")),
        ("uncertainty", ("90 %", "Coverage of", "Temperature", "1.5300", "300 others")),
        ("latency", ("Noise floor", "1.3 %", "Load", "not significant", "on core 1")),
        ("saliency", ("Twin of the", "100.00 %", "accepted")),
    ],
)
def test_every_figure_of_the_record_is_shown(run: Any, key: str, expected: tuple[str, ...]) -> None:
    text = text_of(build_view(run.input()), key)
    assert [part for part in expected if part not in text] == []


def test_tables_are_as_wide_as_their_heads(run: Any) -> None:
    view = build_view(run.input())
    for section in view.sections:
        for table in tables(view, section.key):
            assert {len(row) for row in table.rows} == {len(table.head)}, table.caption


def test_records_of_before_say_that_they_hold_less(run: Any) -> None:
    record = run.record()
    bare = {"class_pattern": None, "divergence": None, "uncertainty": None}
    older = tuple(dataclasses.replace(comparison, **bare) for comparison in record.comparisons)
    view = build_view(run.input(comparisons=older))
    assert "Uncertainty" in {absent.title for absent in view.absent}
    assert render(run.input(comparisons=older))


def unlabeled(record: RunRecord, rng: np.random.Generator) -> RunRecord:
    """Return the record as the metrics make it for pictures of which nobody knows what they show."""
    logits = rng.normal(size=(record.dataset.n, 10)).astype(np.float32)
    moved = logits + rng.normal(0, 0.4, logits.shape).astype(np.float32)
    pair = LogitPair(labels=None, baseline=logits, candidate=moved, class_names=tuple(map(str, range(10))))
    found = compare_outputs(pair)
    said = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return dataclasses.replace(
        record,
        dataset=dataclasses.replace(record.dataset, class_names=()),
        comparisons=tuple(dataclasses.replace(one, **said) for one in record.comparisons),
        verdict=None,
    )


def test_a_run_without_labels_shows_what_needs_none(run: Any) -> None:
    samples = run.samples()
    changed = samples["baseline_class"] != samples["candidate_class"]
    samples |= {
        "label": np.full_like(samples["label"], -1),
        "flip_kind": np.where(changed, "unlabeled", "same"),
    }
    record = unlabeled(run.record(), np.random.default_rng(0))
    source = ReportInput(record=record, samples=samples, pictures=run.pictures())
    view = build_view(source)
    assert {"Classes", "Confusion", "Uncertainty"} <= {absent.title for absent in view.absent}
    reasons = " ".join(absent.reason for absent in view.absent)
    assert "labels" in reasons
    assert {"predictions", "confidence", "flips"} <= {section.key for section in view.sections}
    assert "the data has no labels" in text_of(view, "predictions")
    assert [row[0].text for row in flip_table(first(record).flips).rows] == ["All"]
    page = render(source)
    assert "class 3" in page


def first(record: RunRecord) -> Comparison:
    return record.comparisons[0]


def test_a_run_without_flips_says_so(make_run: Any) -> None:
    source = make_run(flips=0).input()
    view = build_view(source)
    (reason,) = (absent.reason for absent in view.absent if absent.title.startswith("Flips"))
    assert "no prediction changed" in reason
    page = render(source)
    assert "No prediction changed under any candidate." in page
    assert 'id="flip-cards"' not in page
