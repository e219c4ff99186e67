"""Every changed prediction, one card each."""

from __future__ import annotations

from compress_onnx.report.flip_cards import flip_browser
from compress_onnx.report.section import Absent, Section
from compress_onnx.report.source import ReportInput

TITLE = "Flips, one by one"


def section(source: ReportInput) -> Section | Absent:
    """Return the flip browser; it needs the samples."""
    browser = flip_browser(source)
    if browser.missing:
        return Absent(title=TITLE, reason=browser.missing)
    return Section(
        key="flips",
        title=TITLE,
        good="few flips, at low confidence, on pictures you would doubt too.",
        bad="clear pictures of one kind that turn wrong with high confidence.",
        template="sections/flips.html.j2",
        content=browser,
        data={"flip-data": browser.rows, "flip-pictures": browser.pictures},
    )
