"""Pages as one file that needs no network: template, style, script and plotly's library."""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Iterable, Mapping

from markupsafe import Markup

from compress_onnx.report.kit import Chart, Page, asset, charts_of, environment

STYLES = ("pages/page.css", "sections/flips.css")
SCRIPTS = ("pages/page.js", "pages/bytes.js", "pages/charts.js", "sections/flips.js")


def render_page(page: Page) -> str:
    """Return a page of nothing but sections, as self-contained as a run's report."""
    data = {key: value for section in page.sections for key, value in section.data.items()}
    return page_html("pages/sections.html.j2", charts_of(page.sections), data=data, view=page)


def page_html(template: str, charts: Iterable[Chart], **content: object) -> str:
    """Return a template filled with its content, the charts' figures, and the styles and scripts of every page."""
    return (
        environment()
        .get_template(template)
        .render(
            **content,
            figures=figures_of(charts),
            styles=[asset(name) for name in STYLES],
            scripts=[asset(name) for name in SCRIPTS],
            plotly=packed_plotly(),
        )
    )


def figures_of(charts: Iterable[Chart]) -> Mapping[str, object]:
    """Return the figures of the charts that have one, by key."""
    return {chart.key: chart.figure for chart in charts if chart.figure is not None}


@functools.cache
def packed_plotly() -> Markup:
    """Return plotly's library deflated, as base64 text: 1.9 MB in place of 4.8."""
    from plotly.offline import get_plotlyjs

    packed = base64.b64encode(zlib.compress(get_plotlyjs().encode(), 9))
    return Markup(packed.decode("ascii"))  # noqa: S704  # base64 holds no mark-up
