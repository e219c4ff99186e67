"""What a plug-in metric returned, checked: whatever goes wrong in it is told by its name."""

from __future__ import annotations

import math
from typing import Any

from compress_onnx.errors import PluginError
from compress_onnx.extension_points import Metric
from compress_onnx.metrics import LogitPair
from compress_onnx.records import Measure


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
    bounds = (found.interval.low, found.interval.high) if found.interval is not None else ()
    for number in (found.value, *bounds):
        if number is not None and not _is_finite(number):
            raise _error(name, "finite numbers, or None with a reason", repr(number))
    return found


def _is_finite(number: Any) -> bool:
    # NumPy's numbers are no JSON, and a bool is no measurement.
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)


def _error(name: str, expected: str, got: str) -> PluginError:
    return PluginError(
        f"{expected} from the metric {name!r}", got, remedy="Repair or uninstall the package that brings it."
    )
