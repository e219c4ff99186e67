from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows(big_run: Any) -> dict[str, Any]:
    columns = big_run.samples()
    changed = columns["baseline_class"] != columns["candidate_class"]
    return {name: values[changed] for name, values in columns.items()}


@pytest.fixture
def browser(reader: Any, page: Path) -> Any:
    reader.open(page)
    reader.flips()
    return reader


def shown_ids(reader: Any) -> list[str]:
    return reader.run("return [...document.querySelectorAll('.card .who bdi:first-child')].map((e) => e.textContent)")


def test_every_flip_is_counted_but_few_cards_exist(browser: Any, rows: dict[str, Any]) -> None:
    assert browser.count() == len(rows["label"])
    for part in (0.25, 0.5, 1.0):
        browser.run(
            "scrollTo(0, document.getElementById('flip-cards').offsetTop + arguments[0] * document.getElementById('flip-cards').offsetHeight)",
            part,
        )
        browser.wait("document.querySelectorAll('.card').length > 3")
        assert browser.run("return document.querySelectorAll('.card').length") < 80


@pytest.mark.parametrize("kind", ["negative", "positive", "lateral"])
def test_filter_by_kind_and_candidate(browser: Any, rows: dict[str, Any], kind: str) -> None:
    browser.choose("kind", kind)
    assert browser.count() == np.sum(rows["flip_kind"] == kind)
    browser.choose("candidate", "1")
    assert browser.count() == np.sum((rows["flip_kind"] == kind) & (rows["candidate"] == "w4a8"))
    assert browser.run(
        "return [...document.querySelectorAll('.card')].every((c) => c.classList.contains(arguments[0]))", kind
    )


def test_filter_by_class_pair(browser: Any, rows: dict[str, Any]) -> None:
    browser.choose("before", "class 3")
    browser.choose("after", "CLASS 0")
    assert browser.count() == np.sum((rows["baseline_class"] == 3) & (rows["candidate_class"] == 0))
    browser.choose("label", "no such class")
    assert browser.count() == 0


def test_filter_by_confidence(browser: Any, rows: dict[str, Any]) -> None:
    browser.choose("least", "60")
    browser.choose("most", "80")
    sure = np.round(rows["candidate_confidence"].astype(float), 4)
    assert browser.count() == np.sum((sure >= 0.6) & (sure <= 0.8))
    browser.run("document.querySelector('#flip-filters [type=reset]').click()")
    browser.wait("document.getElementById('flip-count').textContent.startsWith(arguments[0])", f"{len(sure):,} of")


@pytest.mark.parametrize(
    ("order", "column", "sign"),
    [
        ("sure", "candidate_confidence", -1),
        ("unsure", "candidate_confidence", 1),
        ("before", "baseline_confidence", -1),
        ("deviation", "saliency_deviation", -1),
    ],
)
def test_sorting(browser: Any, rows: dict[str, Any], order: str, column: str, sign: int) -> None:
    browser.choose("sort", order)
    values = np.nan_to_num(np.round(rows[column].astype(float), 4), nan=-1)
    expected = rows["sample_id"][np.argsort(sign * values, kind="stable")]
    shown = shown_ids(browser)
    assert len(shown) > 3
    assert shown == expected[: len(shown)].tolist()


def test_keyboard_reaches_every_card(browser: Any, rows: dict[str, Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    place = "Number(document.activeElement.dataset.place)"
    browser.run("document.querySelector('.card[tabindex=\"0\"]').focus()")
    for key, expected in ((Keys.ARROW_RIGHT, 1), (Keys.END, len(rows["label"]) - 1), (Keys.HOME, 0)):
        browser.driver.switch_to.active_element.send_keys(key)
        assert browser.run(f"return {place}") == expected
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    columns = "new Set([...document.querySelectorAll('.card')].map((card) => card.style.left)).size"
    assert browser.run(f"return {place}") == browser.run(f"return {columns}")
    assert browser.run("return document.querySelectorAll('.card[tabindex=\"0\"]').length") == 1


def test_a_card_opens_enlarged_and_closes(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.run("document.querySelector('.card[tabindex=\"0\"]').focus()")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.run("return document.getElementById('flip-dialog').open")
    first = browser.run("return document.querySelector('dialog .who').textContent")
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.run("return document.querySelector('dialog .who').textContent") != first
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.wait("!document.getElementById('flip-dialog').open")


def test_pictures_are_in_pixels_and_differences_painted(browser: Any) -> None:
    assert browser.run("return document.querySelector('.card img').naturalWidth") == 32
    assert browser.run("return getComputedStyle(document.querySelector('.card img')).imageRendering") == "pixelated"
    # Three maps of 32 pixels and the gaps between them; the difference has the colors of more and less.
    colors = browser.run(
        "const c = document.querySelector('.card canvas'); const x = 68;"
        "const {data} = c.getContext('2d').getImageData(x, 0, c.width - x, c.height);"
        "const seen = new Set(); for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 100) seen.add(data[i] > data[i + 2] ? 'more' : 'less');"
        "return [c.width, c.height, ...[...seen].sort()];"
    )
    assert colors == [100, 32, "less", "more"]


def test_on_paper_the_first_flips_flow(browser: Any) -> None:
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return document.querySelectorAll('.card').length") == 200
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("return document.querySelectorAll('.card').length") < 80


def test_a_click_on_a_class_shows_its_flips(browser: Any, rows: dict[str, Any]) -> None:
    browser.go("classes")
    browser.wait("document.querySelector('#classes .plot')?.layout !== undefined")
    name = browser.run(
        "const plot = document.querySelector('#classes .plot');"
        "plot.emit('plotly_click', {points: [{data: plot.data[0], pointNumber: 0}]});"
        "return plot.data[0].meta.flips.labels[0];"
    )
    index = int(name.split()[-1])
    assert browser.count() == np.sum((rows["candidate"] == "w8a8") & (rows["label"] == index))
