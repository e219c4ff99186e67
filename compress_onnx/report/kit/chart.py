"""What all charts share: the record of a chart, its palette, its axes, and safe labels."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from plotly import graph_objects as go
from plotly.io.json import to_json_plotly

# Okabe and Ito's (2008) blue and vermillion moved to a lightness that keeps 3:1 on white and on near-black.
HARM, REPAIR, SIDEWAYS, BASELINE, CANDIDATE = "#d9542b", "#2f86d0", "#a8810f", "#7d8794", "#1a9a86"
KIND_STYLE = {
    "negative": (HARM, "triangle-down"),
    "positive": (REPAIR, "triangle-up"),
    "lateral": (SIDEWAYS, "diamond"),
    "unlabeled": (CANDIDATE, "square"),
}
LABEL_LENGTH = 26
CHART_HEIGHT = 340
# Numbers between 1 and 10 at which ticks stand, from coarse to fine, and how many make an axis.
_STEPS: tuple[tuple[int, tuple[float, ...]], ...] = (
    (3, (1,)),
    (2, (1, 2, 5)),
    (2, tuple(range(1, 10))),
    (2, tuple(half / 2 for half in range(2, 20))),
    (2, tuple(tenth / 10 for tenth in range(10, 100))),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart: title, what it shows in words, size in pixels, its figure or why there is none.

    ``figure`` is a plotly figure as a JSON-able mapping with ``data`` and ``layout``; ``key`` names
    the chart on its page and as a file.
    """

    shape: ClassVar[str] = "chart"
    title: str
    alt: str
    key: str = ""
    height: int = CHART_HEIGHT
    min_width: int = 0
    figure: Mapping[str, Any] | None = None
    missing: str = ""


def missing_chart(title: str, reason: str) -> Chart:
    """Return a chart that says why it is not there.

    >>> missing_chart("Speed", "not measured").figure is None
    True
    """
    return Chart(title=title, alt=reason, missing=reason)


def keyed(key: str, chart: Chart) -> Chart:
    """Return the chart under its name on the page.

    >>> keyed("speed", missing_chart("Speed", "not measured")).key
    'speed'
    """
    return dataclasses.replace(chart, key=key)


def as_figure(traces: Sequence[Any], layout: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return traces and layout as a JSON-able figure without plotly's default theme: the page brings its own."""
    base = {
        "template": go.layout.Template(),
        "margin": {"l": 56, "r": 16, "t": 32, "b": 48},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    # Not go.Figure: it would check every trace a second time, half of a report's rendering.
    parts = {
        "data": [trace.to_plotly_json() for trace in traces],
        "layout": go.Layout({**base, **layout}).to_plotly_json(),
    }
    built: dict[str, Any] = json.loads(to_json_plotly(parts, engine="json"))
    return built


def axis(title: str, **options: object) -> dict[str, Any]:
    """Return an axis with a title that makes room for itself.

    >>> axis("Accuracy", type="log")["type"]
    'log'
    """
    return {"title": {"text": title, "standoff": 12}, "automargin": True, "tickangle": 0, "zeroline": False, **options}


def log_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """Return a logarithmic axis with plain numbers at its ticks, few of them, and room for labels.

    ``values`` are positive; without any, plotly chooses.

    >>> log_axis("ms", [1.5, 60.0])["ticktext"]
    ['1', '2', '5', '10', '20', '50']
    >>> log_axis("ms", [0.0379, 0.0569])["ticktext"]
    ['0.04', '0.05', '0.06']
    """
    numbers = list(values)
    if not numbers:
        return axis(title, type="log")
    low, high = math.log10(min(numbers)), math.log10(max(numbers))
    room = max(0.12 * (high - low), 0.06)
    ticks = _log_ticks(low - room, high + room)
    names = [f"{tick:g}" for tick in ticks]
    return axis(title, type="log", range=[low - room, high + room], tickvals=ticks, ticktext=names)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return the coarsest ticks between two powers of ten that are enough."""
    ticks: list[float] = []
    for enough, steps in _STEPS:
        decades = range(math.floor(low), math.ceil(high) + 1)
        ticks = [float(f"{step * 10.0**power:.6g}") for power in decades for step in steps]
        ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(ticks) >= enough:
            break
    return ticks


def label(name: str) -> str:
    """Return a class or artifact name that plotly shows as written: no mark-up, bounded, its direction kept apart.

    >>> label("<b>a")
    '\u2068&lt;b&gt;a\u2069'
    """
    short = name if len(name) <= LABEL_LENGTH else f"{name[: LABEL_LENGTH - 1]}\u2026"
    # Between two dollar signs plotly would look for formulas.
    return f"\u2068{html.escape(short, quote=False).replace('$', '&#36;')}\u2069"


def class_label(names: Sequence[str], index: int) -> str:
    """Return the label of a class, by number where it has no name, as without labels.

    >>> class_label((), 3)
    '\u2068class 3\u2069'
    """
    return label(names[index] if 0 <= index < len(names) else f"class {index}")


def diagonal() -> go.Scatter:
    """Return the thin line on which x equals y."""
    line = {"color": BASELINE, "width": 1, "dash": "dot"}
    return go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False)
