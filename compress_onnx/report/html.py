"""The page: template, style, script and plotly's library in one file that needs no network."""

from __future__ import annotations

import base64
import functools
import importlib.resources
import json
import zlib
from collections.abc import Mapping, Sequence

import jinja2
from markupsafe import Markup

from compress_onnx.report.chart import Chart
from compress_onnx.report.charts import build_charts
from compress_onnx.report.view import ReportInput, build_view

PACKAGE = "compress_onnx.report"


def render(report_input: ReportInput) -> str:
    """Return the report as one HTML document that opens from disk.

    Nothing in it is fetched: a content security policy forbids it, plotly's library is inside,
    deflated (a fifth of the bytes), and every text of the record is escaped.
    """
    view = build_view(report_input)
    scripts = ("report.js", "flips.js")
    flips = script_json(view.flips.data)
    return page("report.html.j2", view=view, charts=build_charts(report_input), scripts=scripts, flips_json=flips)


def page(template: str, *, charts: Mapping[str, Chart], scripts: Sequence[str], **content: object) -> str:
    """Return a template filled with its content, the charts' figures, style, scripts and plotly's library."""
    figures = {key: chart.figure for key, chart in charts.items() if chart.figure is not None}
    return (
        _environment()
        .get_template(template)
        .render(
            charts=charts,
            figures_json=script_json(figures),
            style=_asset("report.css"),
            scripts=[_asset(name) for name in scripts],
            plotly=_plotly(),
            **content,
        )
    )


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
    return jinja2.Environment(
        loader=jinja2.PackageLoader(PACKAGE, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _asset(name: str) -> Markup:
    source = importlib.resources.files(PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(source)  # noqa: S704  # the package's own file


@functools.cache
def _plotly() -> Markup:
    # Deflated and base64: 1.9 MB in place of 4.8, inflated by the browser when the first chart shows.
    from plotly.offline import get_plotlyjs

    packed = base64.b64encode(zlib.compress(get_plotlyjs().encode(), 9))
    return Markup(packed.decode("ascii"))  # noqa: S704  # base64 holds no mark-up
