"""What a plug-in metric returned, checked: whatever goes wrong in it is told by its name."""

from __future__ import annotations

import dataclasses
import math
from numbers import Real
from typing import Any

from compress_onnx.errors import PluginError
from compress_onnx.extension_points import Metric, metrics
from compress_onnx.metrics import LogitPair
from compress_onnx.records import Measure


def plugin_measures(pair: LogitPair) -> dict[str, Measure]:
    """Return what every plug-in metric measures of a pair, by name."""
    registry = metrics()
    return {name: plugin_measure(name, registry[name], pair) for name in registry.names()}


def plugin_measure(name: str, metric: Metric, pair: LogitPair) -> Measure:
    """Return the measure that a metric takes of a pair.

    Errors
    ------
    PluginError
        if it raises, or returns anything but a measure of finite numbers.
    """
    try:
        found: Any = metric(pair)
    except Exception as error:  # a plug-in may raise anything
        raise _error(name, "a measure", f"{type(error).__name__}: {error}") from error
    if not isinstance(found, Measure):
        raise _error(name, "a compress_onnx.records.Measure", f"{type(found).__name__}")
    if found.value is None and not found.undefined_reason:
        raise _error(name, "an undefined_reason where the value is None", "none")
    if not isinstance(found.n, int):
        raise _error(name, "n as a whole number", repr(found.n))
    value = None if found.value is None else _finite(name, found.value)
    interval = found.interval
    if interval is not None:
        low, high = _finite(name, interval.low), _finite(name, interval.high)
        interval = dataclasses.replace(interval, low=low, high=high)
    return dataclasses.replace(found, value=value, interval=interval)


def _finite(name: str, number: Any) -> float:
    """Return a number, NumPy's scalars among them, as a plain float."""
    # A bool is a number to Python, but no measurement.
    if isinstance(number, bool) or not isinstance(number, Real) or not math.isfinite(number):
        raise _error(name, "finite numbers, or None with a reason", str(number))
    return float(number)


def _error(name: str, expected: str, got: str) -> PluginError:
    return PluginError(
        f"{expected} from the metric {name!r}", got, remedy="Repair or uninstall the package that brings it."
    )
