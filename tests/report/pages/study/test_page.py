"""A study's page joins its cells."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.report.pages.study.cases import StudyCell, cases
from compress_onnx.report.pages.study.page import build_study_view


def test_the_page_joins_every_cell(make_run: Any) -> None:
    cells = tuple(
        StudyCell(name=f"cell-{seed}", record=make_run(seed=seed).record(), href=f"cell-{seed}/report.html")
        for seed in (0, 1)
    )
    view = build_study_view(cells)
    table = view.sections[-1].panels[0].blocks[0]
    assert len(table.rows) == len(cases(cells)) == 8
    assert [row[0].href for row in table.rows[::4]] == ["cell-0/report.html", "cell-1/report.html"]
    assert {"claims", "multiples-accuracy", "multiples-flips", "multiples-speed", "cells"} == {
        section.key for section in view.sections
    }


def test_a_study_without_latency_has_no_speed_charts(make_run: Any) -> None:
    record = make_run().record()
    bare = tuple(dataclasses.replace(comparison, latency=None) for comparison in record.comparisons)
    view = build_study_view((StudyCell(name="a", record=dataclasses.replace(record, comparisons=bare)),))
    assert "multiples-speed" not in {section.key for section in view.sections}
