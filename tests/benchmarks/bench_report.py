"""The report at full size: 5 candidates, 10,000 samples, 1,500 flips with pictures and maps.

``python tests/benchmarks/bench_report.py`` measures these rows alone; it needs Chromium, its driver and selenium.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from bench_table import Row, table
from numpy.typing import NDArray

from compress_onnx.report.kit.pictures import map_png, png
from compress_onnx.report.kit.source import ReportInput
from compress_onnx.report.pages.run import render

CANDIDATES = ("w8a8", "w4a8", "pruned50", "pruned70", "pruned70-w8a8")
SAMPLES, FLIPS = 10_000, 300
OPENINGS = 5
STEP = 300
"""Pixels per frame: a row of cards in each, 18,000 pixels a second."""
SCROLLS = 3
"""Other work on the machine only ever lengthens frames: of so many scrolls the one with the fewest long ones counts."""
LONG_MS = 100
SETTLE_SECONDS = 2.0
TESTS = Path(__file__).parent.parent / "report"
SCROLL = """
const [done, step] = [arguments[1], arguments[0]];
const list = document.getElementById('flip-cards');
const end = list.getBoundingClientRect().bottom + scrollY;
scrollTo({top: list.getBoundingClientRect().top + scrollY, behavior: 'instant'});
const frames = [];
let last = null;
const tick = (now) => {
  if (last !== null) frames.push(now - last);
  last = now;
  if (scrollY + innerHeight >= end) return done(frames);
  scrollBy({top: step, behavior: 'instant'});
  requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
"""
PAINTED = """
const done = arguments[0];
new PerformanceObserver((list) => done(Math.max(...list.getEntries().map((entry) => entry.startTime))))
  .observe({type: 'largest-contentful-paint', buffered: true});
"""


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def full_size() -> ReportInput:
    """Return a run as large as the bars say; its noisy pictures take 2.6 kB each, CIFAR-10's take 2.3."""
    factory = _module("report_runs", TESTS / "conftest.py").RunFactory
    run = factory(candidates=CANDIDATES, n=SAMPLES, flips=FLIPS, class_names=tuple(f"class {i}" for i in range(10)))
    rng = np.random.default_rng(0)
    columns = run.samples()
    changed = columns["baseline_class"] != columns["candidate_class"]
    ids, names = columns["sample_id"][changed], columns["candidate"][changed]
    pictures = {str(sample): _picture(rng) for sample in ids}
    maps = {(str(sample), str(name)): _map(rng) for sample, name in zip(ids, names, strict=True)}
    maps |= {(sample, "resnet18"): _map(rng) for sample in pictures}
    source: ReportInput = run.input()
    return dataclasses.replace(source, pictures=pictures, maps=maps)


def _picture(rng: np.random.Generator) -> bytes:
    rows, columns = np.mgrid[0:32, 0:32]
    ground = 128 + 60 * np.sin(rows / rng.uniform(3, 9))[..., None] * np.cos(columns / rng.uniform(3, 9))[..., None]
    return png(np.clip(ground * rng.uniform(0.6, 1.4, 3) + rng.normal(0, 10, (32, 32, 3)), 0, 255).astype(np.uint8))


def _map(rng: np.random.Generator) -> bytes:
    return map_png(rng.gamma(0.8, 1.0, (32, 32)))


def report_rows(folder: Path) -> Iterator[Row]:
    """Yield the rows of the report, those without a browser first."""
    source = full_size()
    spent = []
    for _ in range(3):
        begin = time.perf_counter()
        page = render(source)
        spent.append(time.perf_counter() - begin)
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    yield _row("report of 5 x 10,000, 1,500 flips, MB", path.stat().st_size / 1e6, bar=12.0)
    yield _row("rendering it, seconds", float(np.median(spent)), bar=10.0)
    yield from browser_rows(path, folder)


BROWSER_FIGURES = {
    "first screen painted, seconds": 2.0,
    "frames over 100 ms, scrolling through the flips": 0.0,
    "axe-core violations, serious or critical": 0.0,
    "requests to the network": 0.0,
    "console messages": 0.0,
}


def browser_rows(path: Path, folder: Path) -> Iterator[Row]:
    """Yield what only a browser can tell."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, found in programs.items() if found is None]
    if missing or importlib.util.find_spec("selenium") is None:
        reason = f"{', '.join(missing) or 'selenium'} is not installed"
        yield from (_row(figure, None, bar=bar, skipped=reason) for figure, bar in BROWSER_FIGURES.items())
        return
    reading = _module("report_reading", TESTS / "browser" / "conftest.py")
    reader = reading.started(folder / "profile", **programs)
    try:
        values = _looked_at(reader, path, reading.axe_source())
    finally:
        reader.driver.quit()
    for (figure, bar), (value, ours) in zip(BROWSER_FIGURES.items(), values, strict=True):
        yield _row(figure, value, bar=bar, ours=ours)


def _looked_at(reader: Any, path: Path, axe: str) -> list[tuple[float, str]]:
    painted = []
    for _ in range(OPENINGS):
        reader.open(path)
        painted.append(reader.driver.execute_async_script(PAINTED) / 1000)
    reader.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    frames, spent = min((_scrolled(reader, path) for _ in range(SCROLLS)), key=lambda found: _long(found[0]))
    violations = []
    for theme in ("light", "dark"):
        reader.open(path, theme=theme)
        reader.flips()
        violations += reader.violations(axe)
    reader.open(path)
    reader.flips()
    requests, complaints = reader.requests(), reader.complaints()
    first = float(np.median(painted))
    return [
        (first, f"{first:.2f} s"),
        (
            _long(frames),
            f"{_long(frames):.0f} of {frames.size}, longest {frames.max():.0f} ms, {spent:.0f} ms CPU each",
        ),
        (float(len(violations)), "; ".join(violations)[:60]),
        (float(len(requests)), ""),
        (float(len(complaints)), ""),
    ]


def _scrolled(reader: Any, path: Path) -> tuple[NDArray[np.float64], float]:
    """Return milliseconds from frame to frame, and the page's own CPU time per frame, which other work leaves alone."""
    reader.open(path)
    reader.flips()
    # The library is inflated once, right after the first screen; nobody scrolls that fast.
    reader.wait("window.Plotly !== undefined")
    time.sleep(SETTLE_SECONDS)
    before = _task_seconds(reader)
    frames = np.asarray(reader.driver.execute_async_script(SCROLL, STEP), dtype=np.float64)
    return frames, 1000 * (_task_seconds(reader) - before) / frames.size


def _long(frames: NDArray[np.float64]) -> float:
    return float(np.sum(frames > LONG_MS))


def _task_seconds(reader: Any) -> float:
    metrics = reader.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")


def _row(figure: str, value: float | None, *, bar: float, ours: str = "", skipped: str = "") -> Row:
    shown = ours or ("" if value is None else f"{value:.2f}")
    return Row(figure=figure, bar=bar, reach="at most", ours=shown, value=value, skipped=skipped)


def main() -> int:
    """Print the table; the exit code is 1 if a bar was missed."""
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as folder:
        measured = list(report_rows(Path(folder)))
    print(table(measured))  # noqa: T201  # the table is the output
    return int(any(row.passed is False for row in measured))


if __name__ == "__main__":
    sys.exit(main())
