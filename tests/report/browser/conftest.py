"""Reports opened in Debian's headless Chromium, as their readers open them: from disk."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.report.kit.source import ReportInput
from compress_onnx.report.pages.run import render

selenium = pytest.importorskip("selenium", reason="selenium is not installed (pip install 'compress-onnx[dev]')")

WIDE, NARROW = 1400, 400
AXE = "COMPRESS_ONNX_AXE"
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # Chromium refuses its sandbox to root, as in a container; the pages are our own.
    "--no-sandbox",
    # What a browser does besides, on the network and on this machine's cores.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {package})")
    return found


@dataclasses.dataclass(frozen=True)
class Reader:
    """Somebody who looks at a page: opens, waits, scrolls, and remembers what the browser complained of."""

    driver: Any

    def open(self, path: Path, *, width: int = WIDE, theme: str = "light") -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < WIDE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str, *arguments: Any) -> Any:
        """Wait until a JavaScript expression holds; a busy machine gets its time."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 60, poll_frequency=0.05).until(
            lambda driver: driver.execute_script(f"return {condition}", *arguments)
        )

    def go(self, section: str) -> None:
        self.run("document.getElementById(arguments[0]).scrollIntoView({behavior: 'instant'})", section)

    def flips(self) -> None:
        """Go to the flips and wait for the first cards."""
        self.go("flips")
        self.wait("document.getElementById('flip-count').textContent !== ''")

    def choose(self, name: str, value: str) -> None:
        """Fill in one field of the filter, as typing does."""
        self.run(
            "const field = document.getElementById('flip-filters').elements[arguments[0]];"
            "field.value = arguments[1]; field.dispatchEvent(new Event('input', {bubbles: true}));",
            name,
            value,
        )

    def count(self) -> int:
        return int(self.run("return document.getElementById('flip-count').textContent").split()[0].replace(",", ""))

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses the page asked for, its own and what it holds inside left out."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]

    def violations(self, axe: str, rules: tuple[str, ...] = ()) -> list[str]:
        """Return what axe-core, by all or some of its rules, calls serious or critical, with the first element each."""
        if not self.run("return window.axe !== undefined"):
            self.run(axe)
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = self.driver.execute_async_script(
            "const [options, done] = arguments; axe.run(options).then((r) => done(r.violations));", options
        )
        severe = [violation for violation in found if violation["impact"] in {"serious", "critical"}]
        return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in severe]


def started(profile: Path, *, chromium: str, chromedriver: str) -> Reader:
    """Start a browser with a profile of its own."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(chromedriver))
    driver.set_script_timeout(120)
    return Reader(driver)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    programs = {
        "chromium": _program("chromium", "chromium"),
        "chromedriver": _program("chromedriver", "chromium-driver"),
    }
    found = started(tmp_path_factory.mktemp("profile"), **programs)
    yield found
    found.driver.quit()


def axe_source() -> str:
    """Return axe-core's source: the file named by the environment, else what the dev extra brings."""
    named = os.environ.get(AXE)
    if named:
        return Path(named).read_text(encoding="utf-8")
    return files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def axe() -> str:
    if AXE not in os.environ:
        pytest.importorskip("axe_core_python", reason=f"axe-core is neither installed nor named by ${AXE}")
    return axe_source()


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ReportInput], Path]:
    folder = tmp_path_factory.mktemp("pages")

    def write(source: ReportInput) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.html"
        path.write_text(render(source), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def big_run(run_factory: Any) -> Any:
    """Five candidates, 300 flips each on 1,000 samples."""
    return run_factory(n=1000, flips=300, candidates=("w8a8", "w4a8", "pruned50-w8a8", "pruned90", "mixed"))


@pytest.fixture(scope="session")
def page(big_run: Any, page_of: Callable[[ReportInput], Path]) -> Path:
    source = big_run.input()
    return page_of(dataclasses.replace(source, maps=big_run.maps()))


@pytest.fixture(scope="session")
def small_page(run_factory: Any, page_of: Callable[[ReportInput], Path]) -> Path:
    """Two candidates, a few flips each: for what does not depend on their number."""
    run = run_factory(n=300, flips=20, candidates=("w8a8", "w4a8"))
    return page_of(dataclasses.replace(run.input(), maps=run.maps()))
