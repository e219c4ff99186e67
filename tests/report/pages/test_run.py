"""A run's page: nothing from anywhere, every name as text, and what is not there and why."""

from __future__ import annotations

import copy
import dataclasses
import html
import itertools
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from compress_onnx.records.base import SCHEMA_VERSION
from compress_onnx.records.saliency import SaliencyShift
from compress_onnx.report.kit.source import ReportInput
from compress_onnx.report.pages.run import build_view, render, warnings
from compress_onnx.report.pages.summary import summary_rows


def test_view_is_pure(run: Any) -> None:
    report_input = run.input()
    before = copy.deepcopy(report_input.samples)
    assert build_view(report_input) == build_view(run.input())
    assert all(
        np.array_equal(before[c], report_input.samples[c], equal_nan=before[c].dtype.kind == "f") for c in before
    )


NASTY = (
    "<b>bold</b><script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"double\" 'single'",
    "\u05e9\u05dc\u05d5\u05dd",
    "W" * 200,
    "a & b &amp; c",
    '<a href="http://example.org">x</a>',
    "\u2028line\u2029",
)


LOADING = {"src", "href", "srcset", "data", "poster", "action", "xlink:href"}


class Page(HTMLParser):
    """Collects elements, text outside scripts, and script contents by id."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._inside: str | None = None
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.text += data
        else:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def rendered(run_factory: Any) -> str:
    return render(run_factory().input())


def test_nothing_is_loaded_from_anywhere(rendered: str) -> None:
    for tag, attributes in Page(rendered).elements:
        for name in LOADING & attributes.keys():
            assert attributes[name].startswith(("data:", "#")), (tag, name, attributes[name])
    assert "@import" not in rendered
    assert "url(" not in Page(rendered).scripts["style"]


def test_policy_of_the_page_forbids_the_network(rendered: str) -> None:
    policies = [m["content"] for m in Page(rendered).tags("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policies[0]
    assert "http" not in policies[0]


def test_figures_and_flips_are_json_a_browser_can_read(rendered: str, run: Any) -> None:
    scripts = Page(rendered).scripts
    figures, flips = json.loads(scripts["figures"]), json.loads(scripts["flip-data"])
    assert {"tradeoff-size", "classes-0", "scatter-3", "latency"} <= figures.keys()
    columns = run.samples()
    assert len(flips["rows"]["id"]) == int(np.sum(columns["baseline_class"] != columns["candidate_class"]))


@pytest.mark.parametrize("name", NASTY)
def test_names_are_text_never_markup(make_run: Any, name: str) -> None:
    run = make_run(class_names=(name, *(f"c{i}" for i in range(4))), candidates=("</script><i>evil", "plain"))
    page = Page(render(run.input()))
    assert not [a for a in page.tags("img") if a.get("src") == "x"]
    assert not page.tags("i") or all("style" in a for a in page.tags("i"))
    assert not [a for a in page.tags("a") if "example" in (a.get("href") or "")]
    assert json.loads(page.scripts["flip-data"])["classes"][0] == name
    assert flat(name.strip()) in flat(page.text)
    assert "</script><i>evil" in page.text


def test_charts_show_mark_up_in_names_as_written(make_run: Any) -> None:
    figures = Page(render(make_run(class_names=("<b>x", "y")).input())).scripts["figures"]
    assert any("&lt;b&gt;x" in text for text in json.loads(figures)["classes-0"]["layout"]["yaxis"]["ticktext"])


def test_page_and_terminal_say_the_same(run: Any) -> None:
    report_input = run.input()
    text = flat(Page(render(report_input)).text)
    for row in summary_rows(report_input.record):
        for field in ("candidate", "accuracy_baseline", "accuracy", "p50", "file_size", "zipped_size"):
            assert flat(getattr(row, field)) in text
        for field in ("accuracy_change", "speedup", "worst_class", "flips"):
            for part in re.findall(r"[+\u2212]?\d+\.\d+", getattr(row, field)):
                assert part in text


def test_numbers_on_the_page_are_those_of_the_record(run: Any) -> None:
    record = run.record()
    text = flat(Page(render(ReportInput(record=record, samples=run.samples()))).text)
    for comparison in record.comparisons:
        assert f"{100 * comparison.accuracy.candidate.value:.2f} %" in text
        assert f"{comparison.flips.negative} negative" in text
        assert f"{comparison.latency.speedup.value:.2f}\u00d7" in text
    for artifact in record.artifacts:
        assert artifact.sha256 in text


def test_missing_samples_are_named_and_the_rest_is_there(run: Any) -> None:
    text = flat(Page(render(ReportInput(record=run.record()))).text)
    assert "samples.parquet is missing" in text
    assert "Recall change per class" in text


def test_a_record_of_bare_comparisons_renders(run: Any) -> None:
    record = run.record(verdict=None, calibration=None)
    absent = {"saliency": None, "latency": None, "fusion": None, "confusion": None, "classes": (), "extra": {}}
    bare = tuple(dataclasses.replace(comparison, **absent) for comparison in record.comparisons)
    text = flat(Page(render(ReportInput(record=dataclasses.replace(record, comparisons=bare)))).text)
    for reason in ("No policy was given", "latency was not measured", "saliency was not measured", "not inspected"):
        assert reason in text


def test_a_run_without_comparisons_renders(run: Any) -> None:
    page = Page(render(ReportInput(record=run.record(comparisons=(), verdict=None))))
    assert "This run compared no candidate." in page.text


def test_flips_without_pictures_are_still_listed(run: Any) -> None:
    scripts = Page(render(ReportInput(record=run.record(), samples=run.samples()))).scripts
    assert json.loads(scripts["flip-pictures"])["pictures"] == {}
    assert json.loads(scripts["flip-data"])["rows"]["id"]


def test_one_class_and_a_thousand(make_run: Any) -> None:
    for names in (("only",), tuple(f"class {i}" for i in range(1000))):
        run = make_run(class_names=names, candidates=("w8a8",))
        figures = json.loads(Page(render(run.input())).scripts["figures"])
        assert len(figures["classes-0"]["data"][0]["y"]) <= 60


def test_record_of_another_version_is_warned_about(run: Any) -> None:
    text = Page(render(run.input(schema_version=SCHEMA_VERSION + 1))).text
    assert f"schema version {SCHEMA_VERSION + 1}" in text


def test_headings_descend_one_step_at_a_time(rendered: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(rendered).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert levels.count(1) == 1


def test_tables_charts_and_ids_are_accessible(rendered: str) -> None:
    page = Page(rendered)
    assert all(cell.get("scope") in {"row", "col"} for cell in page.tags("th"))
    assert all(a.get("aria-label") for _, a in page.elements if "data-chart" in a)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {"main", "nav", "header"} <= {tag for tag, _ in page.elements}


def test_same_input_gives_the_same_page(run: Any) -> None:
    assert render(run.input()) == render(run.input())


def test_size_of_a_page_without_pictures(rendered: str) -> None:
    assert len(rendered.encode()) < 4_000_000
    assert html.unescape(rendered).count("Plotly.newPlot") == 1


def test_an_undefined_shift_warns_with_its_reason_alone(run: Any, shift: SaliencyShift) -> None:
    untrusted = dataclasses.replace(shift.fidelity_candidate, accepted=False)
    record = run.record()
    told = {}
    for reason in (None, "Candidate: it is fed other inputs."):
        changed = dataclasses.replace(shift, fidelity_candidate=untrusted, undefined_reason=reason)
        comparison = dataclasses.replace(record.comparisons[0], saliency=changed)
        told[reason] = [
            text for text in warnings(dataclasses.replace(record, comparisons=(comparison,))) if "saliency" in text
        ]
    assert "the twin of the candidate does not compute" in told[None][0]
    assert told["Candidate: it is fed other inputs."] == [
        f"{record.comparisons[0].candidate_name}, saliency: not measured. Candidate: it is fed other inputs."
    ]
