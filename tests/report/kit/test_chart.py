"""Axes, labels and figures that every chart uses."""

from __future__ import annotations

import html
import json

from hypothesis import given
from hypothesis import strategies as st
from plotly import graph_objects as go

from compress_onnx.report.kit.chart import LABEL_LENGTH, as_figure, axis, label, log_axis, missing_chart

positive = st.floats(1e-6, 1e6)


@given(st.lists(positive, min_size=1, max_size=20))
def test_ticks_of_a_log_axis_ascend_inside_a_range_that_holds_every_value(values: list[float]) -> None:
    drawn = log_axis("ms", values)
    low, high = (10**end for end in drawn["range"])
    assert low < min(values)
    assert max(values) < high
    ticks = drawn["tickvals"]
    assert ticks == sorted(set(ticks))
    assert all(low * 0.999 <= tick <= high * 1.001 for tick in ticks)
    assert [float(text) for text in drawn["ticktext"]] == [float(f"{tick:g}") for tick in ticks]


@given(positive, st.floats(1.1, 1e6))
def test_a_log_axis_has_more_than_one_tick(value: float, times: float) -> None:
    assert len(log_axis("ms", [value, value * times])["tickvals"]) >= 2


@given(st.text(max_size=60))
def test_a_label_shows_the_name_as_written_and_bounded(name: str) -> None:
    shown = label(name)
    assert not set("<>$") & set(shown)
    text = html.unescape(shown.removeprefix("\u2068").removesuffix("\u2069"))
    if len(name) <= LABEL_LENGTH and "&" not in name:
        assert text == name
    assert len(text) <= max(LABEL_LENGTH, len(name))


def test_a_figure_is_what_plotly_itself_would_write() -> None:
    trace, layout = go.Scatter(x=[1, 2], y=[3.5, None], name="a"), {"xaxis": axis("x", range=[0, 1])}
    whole = json.loads(go.Figure([trace], layout).to_json())
    mine = as_figure([trace], layout)
    assert mine["data"] == whole["data"]
    assert mine["layout"]["xaxis"] == whole["layout"]["xaxis"]


def test_a_missing_chart_says_why_in_its_alternative_text_too() -> None:
    chart = missing_chart("Speed", "not measured")
    assert (chart.figure, chart.alt, chart.missing) == (None, "not measured", "not measured")
