"""Whatever goes wrong in a plug-in metric is told by its name, in one sentence."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from compress_onnx.comparison.plugin_measures import plugin_measure
from compress_onnx.errors import PluginError
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.records.base import Better, Interval, Measure, undefined

PAIR = LogitPair(
    labels=None, baseline=np.eye(2, dtype=np.float32), candidate=np.eye(2, dtype=np.float32), class_names=("a", "b")
)
GOOD = Measure(value=0.5, unit="fraction", better=Better.HIGHER, n=2)


def _raises(_: Any) -> Measure:
    message = "no such thing"
    raise KeyError(message)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (_raises, "a measure from the metric 'mood', got KeyError: 'no such thing'"),
        (lambda _: 0.5, r"a compress_onnx.records.Measure from the metric 'mood', got float"),
        (lambda _: dataclasses.replace(GOOD, value=float("nan")), "finite numbers, or None .* got nan"),
        (lambda _: dataclasses.replace(GOOD, value=True), "finite numbers, .* got True"),
        (lambda _: dataclasses.replace(GOOD, value="half"), "finite numbers, .* got half"),
        (lambda _: dataclasses.replace(GOOD, n=2.0), "n as a whole number .* got 2.0"),
        (
            lambda _: dataclasses.replace(GOOD, interval=Interval(low=-np.inf, high=1.0, level=0.95, method="x")),
            "finite numbers, .* got -inf",
        ),
        (lambda _: dataclasses.replace(GOOD, value=None), "an undefined_reason where the value is None"),
    ],
)
def test_a_broken_metric_is_named(metric: Any, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        plugin_measure("mood", metric, PAIR)


def test_a_good_measure_is_handed_on_with_plain_numbers() -> None:
    interval = Interval(low=0, high=1, level=0.95, method="x")
    given = dataclasses.replace(GOOD, value=np.float32(0.5), interval=interval)
    found = plugin_measure("mood", lambda _: given, PAIR)
    assert found == dataclasses.replace(GOOD, interval=interval)
    assert type(found.value) is float
    nothing = undefined("no labels", unit="fraction", better=Better.HIGHER)
    assert plugin_measure("mood", lambda _: nothing, PAIR) == nothing
