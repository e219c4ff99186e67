"""The pages: template, style, script and plotly's library in one file that needs no network."""

from __future__ import annotations

import base64
import functools
import importlib.resources
import json
import zlib
from collections.abc import Iterable, Mapping

import jinja2
from markupsafe import Markup

from compress_onnx.report.chart import Chart
from compress_onnx.report.section import Page, charts_of
from compress_onnx.report.source import ReportInput
from compress_onnx.report.view import build_view

PACKAGE = "compress_onnx.report"
STYLES = ("page.css", "flips.css")
DRAWN_WIDTH = 720
"""Width in pixels of a chart drawn as a file."""
SCRIPTS = ("page.js", "bytes.js", "charts.js", "flips.js")


def render(source: ReportInput) -> str:
    """Return a run's report as one HTML document that opens from disk.

    Nothing in it is fetched: a content security policy forbids it, plotly's library is inside,
    deflated (a fifth of the bytes), and every text of the record is escaped.
    """
    view = build_view(source)
    data = {key: value for section in view.sections for key, value in section.data.items()}
    return _page("report.html.j2", charts_of(view.sections), data=data, view=view)


def render_page(page: Page) -> str:
    """Return a page of nothing but sections, as self-contained as a run's report."""
    data = {key: value for section in page.sections for key, value in section.data.items()}
    return _page("sections.html.j2", charts_of(page.sections), data=data, view=page)


def _page(template: str, charts: Iterable[Chart], **content: object) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            figures=figures_of(charts),
            styles=[_asset(name) for name in STYLES],
            scripts=[_asset(name) for name in SCRIPTS],
            plotly=packed_plotly(),
        )
    )


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
        _environment()
        .get_template("drawing.html.j2")
        .render(figures=figures, plotly=library, script=_asset("drawing.js"))
    )


def figures_of(charts: Iterable[Chart]) -> Mapping[str, object]:
    """Return the figures of the charts that have one, by key."""
    return {chart.key: chart.figure for chart in charts if chart.figure is not None}


def script_json(value: object) -> Markup:
    r"""Return JSON that no HTML parser can mistake for an end of its script element.

    >>> script_json("</script>")
    Markup('"\\u003c/script\\u003e"')
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # made safe by the loop above


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(PACKAGE, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = script_json
    return environment


@functools.cache
def _asset(name: str) -> Markup:
    source = importlib.resources.files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(source)  # noqa: S704  # the package's own file


@functools.cache
def packed_plotly() -> Markup:
    """Return plotly's library deflated, as base64 text: 1.9 MB in place of 4.8."""
    from plotly.offline import get_plotlyjs

    packed = base64.b64encode(zlib.compress(get_plotlyjs().encode(), 9))
    return Markup(packed.decode("ascii"))  # noqa: S704  # base64 holds no mark-up
