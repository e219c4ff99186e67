"""Boxes keep quartiles and extremes; speed-ups stand beside the machine's noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compress_onnx.report.sections.latency.charts import BOX_POINTS, box_chart, speedup_chart
from compress_onnx.report.sections.latency.tables import timed_pairs


def test_a_box_of_few_points_has_the_quartiles_and_ends_of_all_calls() -> None:
    values = np.random.default_rng(0).gamma(2.0, 1.0, 5000) + 1
    (box,) = box_chart("t", "a", [("one", tuple(values.tolist()), "#000")]).figure["data"]
    drawn = np.asarray(box["x"])
    assert drawn.size == BOX_POINTS
    assert np.quantile(drawn, [0.25, 0.5, 0.75]) == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]), rel=0.03)
    assert (drawn.min(), drawn.max()) == pytest.approx((values.min(), values.max()), rel=1e-3)


def test_a_lone_hiccup_does_not_press_the_boxes_together() -> None:
    values = (*np.linspace(1.0, 1.2, 1000).tolist(), 500.0)
    low, high = box_chart("t", "a", [("one", values, "#000")]).figure["layout"]["xaxis"]["range"]
    assert 10**low == pytest.approx(1.0, rel=0.2)
    assert 10**high < 2


def test_the_noise_band_is_as_wide_on_both_sides_of_one(run: Any) -> None:
    timed = timed_pairs(run.record())
    bands = [shape for shape in speedup_chart(timed).figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert len(bands) == len(timed)
    assert [band["x0"] * band["x1"] for band in bands] == pytest.approx([1.0] * len(bands))


def test_only_what_is_more_than_noise_is_filled(run: Any) -> None:
    timed = timed_pairs(run.record())
    marks = [trace["marker"]["symbol"] for trace in speedup_chart(timed).figure["data"]]
    assert marks == ["circle" if comparison.significant else "circle-open" for _, comparison in timed]
