"""Small multiples: one little chart per network and data set, all on one scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from plotly import graph_objects as go

from compress_onnx.records import Better, Measure
from compress_onnx.report.kit import BASELINE, HARM, REPAIR, Chart, Tone, as_figure, axis, label, tone_of
from compress_onnx.report.pages.study.cases import Case

ROW_HEIGHT = 22
FRAME_HEIGHT = 70
ROOM = 0.06
"""Share of the scale left free on both sides."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Multiple:
    """What one row of small multiples shows: its anchor, title, axis, and how to read it from a case."""

    key: str
    title: str
    unit: str
    read: Callable[[Case], Measure | None]
    scale: float = 100.0
    zero: float = 0.0


MULTIPLES = (
    Multiple(
        key="accuracy",
        title="Accuracy change",
        unit="change of accuracy in points",
        read=lambda case: case.comparison.accuracy.change,
    ),
    Multiple(key="flips", title="Flips", unit="changed predictions in %", read=lambda case: case.comparison.flips.rate),
    Multiple(
        key="speed",
        title="Speed-up",
        unit="times as fast as the baseline",
        read=lambda case: case.comparison.latency.speedup if case.comparison.latency else None,
        scale=1.0,
        zero=1.0,
    ),
)


def scale_of(multiple: Multiple, cases: Iterable[Case]) -> tuple[float, float] | None:
    """Return the range that holds every value and interval of some cases, ``None`` where there is none."""
    ends = [multiple.zero * multiple.scale]
    for case in cases:
        measure = multiple.read(case)
        if measure is None or measure.value is None:
            continue
        interval = measure.interval
        ends += [measure.value * multiple.scale]
        ends += [interval.low * multiple.scale, interval.high * multiple.scale] if interval else []
    if len(ends) == 1:
        return None
    room = ROOM * (max(ends) - min(ends) or 1.0)
    return min(ends) - room, max(ends) + room


def small_chart(multiple: Multiple, title: str, cases: Sequence[Case], scale: tuple[float, float]) -> Chart:
    """Return one small multiple: a mark with its interval per candidate."""
    measured = [(case, m) for case in cases if (m := multiple.read(case)) is not None and m.value is not None]
    rows = list(range(len(measured)))
    layout = {
        "xaxis": axis(multiple.unit, range=list(scale)),
        "yaxis": axis(
            "", tickvals=rows, ticktext=[label(_name(c, cases)) for c, _ in measured], range=[len(rows) - 0.4, -0.6]
        ),
        "shapes": [{**_line(), "x0": multiple.zero * multiple.scale, "x1": multiple.zero * multiple.scale}],
        "margin": {"l": 40, "r": 12, "t": 8, "b": 40},
        "showlegend": False,
    }
    return Chart(
        title=title,
        alt=f"{multiple.title} of {len(measured)} candidates with intervals; the table lists the numbers.",
        height=FRAME_HEIGHT + ROW_HEIGHT * max(len(rows), 1),
        figure=as_figure([_marks(multiple, measured)], layout),
    )


def _name(case: Case, cases: Sequence[Case]) -> str:
    seeds = {other.cell.seed for other in cases}
    return f"{case.name}, seed {case.cell.seed}" if len(seeds) > 1 else case.name


def _line() -> dict[str, object]:
    return {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": BASELINE, "width": 1, "dash": "dot"}}


def _marks(multiple: Multiple, measured: Sequence[tuple[Case, Measure]]) -> go.Scatter:
    tones = [_tone(multiple, measure) for _, measure in measured]
    return go.Scatter(
        x=[multiple.scale * (measure.value or 0.0) for _, measure in measured],
        y=list(range(len(measured))),
        mode="markers",
        error_x=_errors([_arms(multiple, measure) for _, measure in measured]),
        marker={
            "size": 9,
            "color": [{Tone.BAD: HARM, Tone.GOOD: REPAIR}.get(tone, BASELINE) for tone in tones],
            "symbol": ["circle-open" if tone == Tone.UNCLEAR else "circle" for tone in tones],
        },
        customdata=[label(case.name) for case, _ in measured],
        hovertemplate="%{customdata}: %{x:.3g}<extra></extra>",
    )


def _errors(arms: Sequence[tuple[float, float]]) -> dict[str, object]:
    return {
        "array": [up for _, up in arms],
        "arrayminus": [down for down, _ in arms],
        "symmetric": False,
        "thickness": 1.2,
        "width": 0,
        "color": BASELINE,
    }


def _tone(multiple: Multiple, measure: Measure) -> Tone:
    # Every flip rate lies above zero; its height is the message, not its side.
    if multiple.key == "flips":
        return Tone.PLAIN
    return tone_of(dataclasses.replace(measure, better=Better.HIGHER), zero=multiple.zero)


def _arms(multiple: Multiple, measure: Measure) -> tuple[float, float]:
    interval, value = measure.interval, measure.value or 0.0
    if interval is None:
        return 0.0, 0.0
    return multiple.scale * (value - interval.low), multiple.scale * (interval.high - value)
