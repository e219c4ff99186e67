"""Charts as SVG files, drawn by a headless Chromium: plotly has no other way to draw outside a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from markupsafe import Markup

from compress_onnx.errors import MissingProgramError, OutputError
from compress_onnx.files import write_text
from compress_onnx.report.kit.chart import Chart
from compress_onnx.report.kit.templates import asset, environment

DRAWN_WIDTH = 720
"""Width in pixels of a chart drawn as a file."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Software drawing, no profile, no network: the page holds everything.
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    # Virtual: the browser's clock jumps ahead as soon as nothing is left to do.
    "--virtual-time-budget=120000",
    "--dump-dom",
)
TIMEOUT_SECONDS = 300
_DRAWN = re.compile(r'<script type="application/json" id="drawn">(.*?)</script>', re.DOTALL)


def browser() -> str:
    """Return the path of a Chromium or Chrome on this machine.

    Errors
    ------
    MissingProgramError
        if there is none.
    """
    for name in BROWSERS:
        program = shutil.which(name)
        if program:
            return program
    raise MissingProgramError(
        "Chromium or Chrome to draw charts outside a browser",
        f"none of {', '.join(BROWSERS)} on the PATH",
        remedy="Install it (Debian: apt-get install chromium), or save charts one by one from the report's own buttons.",
    )


def export_charts(charts: Iterable[Chart], folder: Path) -> tuple[Path, ...]:
    """Write every chart that has a figure as ``<key>.svg`` into a folder and return the paths.

    Errors
    ------
    MissingProgramError
        if no Chromium or Chrome is at hand.
    OutputError
        if it cannot draw, or the folder cannot be written.
    """
    drawable = [chart for chart in charts if chart.figure is not None]
    if not drawable:
        return ()
    drawn = _drawn(browser(), drawing_page(drawable), folder)
    paths = []
    for chart in drawable:
        path = folder / f"{chart.key}.svg"
        write_text(path, drawn[chart.key])
        paths.append(path)
    return tuple(paths)


def _drawn(program: str, page: str, folder: Path) -> Mapping[str, str]:
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as scratch:
        source = Path(scratch) / "charts.html"
        source.write_text(page, encoding="utf-8")
        # Chromium refuses its sandbox to root, as in a container.
        rooted = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [program, *FLAGS, *rooted, f"--user-data-dir={scratch}/profile", source.as_uri()]
        try:
            done = subprocess.run(  # noqa: S603  # a browser found on the PATH, a page made here
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutputError("charts drawn by " + program, str(error), where=folder) from error
    drawn = _DRAWN.search(done.stdout)
    if drawn is None:
        got = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise OutputError(f"charts drawn by {program}", got[0], where=folder, remedy="Try another Chromium.")
    svgs: Mapping[str, str] = json.loads(drawn.group(1))
    return svgs


def drawing_page(charts: Iterable[Chart]) -> str:
    """Return a page that draws charts as SVG and keeps the texts in an element ``drawn``."""
    from plotly.offline import get_plotlyjs

    figures = {
        chart.key: {**chart.figure, "width": max(DRAWN_WIDTH, chart.min_width), "height": chart.height}
        for chart in charts
        if chart.figure is not None
    }
    library = Markup(get_plotlyjs())  # noqa: S704  # plotly's own file
    return (
        environment()
        .get_template("kit/drawing.html.j2")
        .render(figures=figures, plotly=library, script=asset("kit/drawing.js"))
    )
