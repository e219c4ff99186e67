from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.report.kit.source import PreviousRun, ReportInput
from compress_onnx.report.pages.html import render_page
from compress_onnx.report.pages.study.cases import StudyCell
from compress_onnx.report.pages.study.page import build_study_view

pytestmark = pytest.mark.slow

NASTY = ("<img src=x onerror=alert(1)>", "\u05e9\u05dc\u05d5\u05dd \u202e", "W" * 200, "\"'`${}", "$x^2$ & &amp;")


def draw_everything(reader: Any) -> None:
    """Scroll down the page until every chart of the chosen candidate is drawn."""
    for section in reader.run("return [...document.querySelectorAll('main > section')].map((s) => s.id)"):
        reader.go(section)
        reader.wait(
            "[...document.getElementById(arguments[0]).querySelectorAll('.plot')].filter((p) => p.offsetParent).every("
            "(p) => p.querySelector('.main-svg') || p.classList.contains('missing'))"
            "|| (scrollBy(0, 500), false)",
            section,
        )


def test_opens_without_a_request_or_a_complaint(reader: Any, small_page: Path) -> None:
    reader.open(small_page)
    reader.run(
        "const chooser = document.getElementById('candidate'); chooser.value = 'all';"
        "chooser.dispatchEvent(new Event('change'));"
    )
    draw_everything(reader)
    reader.flips()
    assert reader.run("return document.querySelectorAll('.plot.missing').length") == 0
    assert reader.run("return document.querySelectorAll('.main-svg').length") > 20
    assert reader.requests() == []
    assert reader.complaints() == []


def test_first_screen_says_verdict_and_who_is_hurt(reader: Any, page: Path) -> None:
    reader.open(page)
    seen = reader.run(
        "return [...document.querySelectorAll('.verdict, .summary tbody tr')]"
        ".filter((e) => e.getBoundingClientRect().bottom < innerHeight).map((e) => e.innerText)"
    )
    assert "may not ship" in seen[0]
    assert len(seen) == 6


def test_nothing_is_wider_than_a_telephone(reader: Any, small_page: Path) -> None:
    reader.open(small_page, width=400)
    draw_everything(reader)
    assert reader.run("return document.documentElement.scrollWidth") <= 400


def test_axe_finds_nothing_serious(reader: Any, small_page: Path, axe: str) -> None:
    reader.open(small_page)
    draw_everything(reader)
    reader.flips()
    assert reader.violations(axe) == []
    # Nothing but colors changes with the theme.
    reader.run("document.getElementById('theme').click()")
    assert reader.violations(axe, ("color-contrast",)) == []


def test_axe_finds_nothing_serious_on_a_telephone(reader: Any, small_page: Path, axe: str) -> None:
    reader.open(small_page, width=400)
    reader.flips()
    assert reader.violations(axe) == []


def test_theme_follows_the_reader_and_the_button(reader: Any, page: Path) -> None:
    reader.open(page, theme="dark")
    assert reader.run("return document.documentElement.dataset.theme") == "dark"
    reader.go("classes")
    color = "document.querySelector('#classes .plot .xtick text')?.style.fill"
    dark = reader.wait(color)
    reader.run("document.getElementById('theme').click()")
    assert reader.run("return document.documentElement.dataset.theme") == "light"
    reader.wait(f"{color} !== arguments[0]", dark)


def test_the_chosen_candidate_is_the_one_shown(reader: Any, page: Path) -> None:
    reader.open(page)
    shown = "[...document.querySelectorAll('#classes .panel:not([hidden]) h3')].map((h) => h.textContent)"
    assert reader.run(f"return {shown}") == ["w8a8"]
    reader.run("document.querySelectorAll('[data-choose]')[3].click()")
    assert reader.run(f"return {shown}") == ["pruned90"]
    reader.run("dispatchEvent(new Event('beforeprint'))")
    assert len(reader.run(f"return {shown}")) == 5


def test_nasty_names_stay_text(reader: Any, run_factory: Any, page_of: Callable[[ReportInput], Path]) -> None:
    run = run_factory(class_names=NASTY, n=300, candidates=("w8a8",))
    reader.open(page_of(run.input()), width=400)
    draw_everything(reader)
    reader.flips()
    assert reader.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert reader.run("return document.documentElement.scrollWidth") <= 400
    assert reader.complaints() == []


@pytest.mark.parametrize("classes", [1, 1000])
def test_one_class_and_a_thousand_open(
    reader: Any, run_factory: Any, page_of: Callable[[ReportInput], Path], classes: int
) -> None:
    run = run_factory(class_names=tuple(f"class {i}" for i in range(classes)), candidates=("w8a8",))
    reader.open(page_of(run.input()))
    draw_everything(reader)
    assert reader.complaints() == []


def test_bare_runs_open(reader: Any, run: Any, run_factory: Any, page_of: Callable[[ReportInput], Path]) -> None:
    record = run.record(verdict=None, calibration=None)
    absent = {"saliency": None, "latency": None, "fusion": None, "confusion": None, "classes": (), "extra": {}}
    bare = tuple(dataclasses.replace(comparison, **absent) for comparison in record.comparisons)
    for source in (
        ReportInput(record=dataclasses.replace(record, comparisons=bare)),
        ReportInput(record=dataclasses.replace(record, comparisons=())),
        ReportInput(record=record, samples=run.samples(), withheld="left out"),
        run_factory(n=200, flips=0, candidates=("w8a8",)).input(),
    ):
        reader.open(page_of(source))
        draw_everything(reader)
        assert reader.complaints() == []


def test_comparison_of_runs_opens(
    reader: Any, run_factory: Any, page_of: Callable[[ReportInput], Path], axe: str
) -> None:
    run = run_factory(n=200, flips=10, candidates=("w8a8",))
    previous = run_factory(n=200, flips=10, seed=1, candidates=("w8a8", "gone"))
    source = dataclasses.replace(
        run.input(), previous=PreviousRun(record=previous.record(), samples=previous.samples())
    )
    reader.open(page_of(source))
    assert "gone" in reader.run("return document.getElementById('against').innerText")
    assert reader.violations(axe) == []


def test_study_page_opens(reader: Any, run_factory: Any, tmp_path: Path, axe: str) -> None:
    cells = tuple(
        StudyCell(name=f"cell-{seed}", record=run_factory(seed=seed).record(), href=f"cell-{seed}/report.html")
        for seed in (0, 1)
    )
    path = tmp_path / "report.html"
    path.write_text(render_page(build_study_view(cells)), encoding="utf-8")
    reader.open(path)
    draw_everything(reader)
    assert reader.run("return document.querySelector('#cells a').getAttribute('href')") == "cell-0/report.html"
    assert reader.complaints() == []
    assert reader.violations(axe) == []
