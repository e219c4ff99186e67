"""The measures of a comparison by dotted name, as a policy's rules write them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from compress_onnx.gate.names import segment
from compress_onnx.gate.worst import WORST, worst_class_change
from compress_onnx.records import Better, Comparison, Footprint, Interval, Measure, undefined

NOT_MEASURED = "not measured in this run"
NO_SAMPLES = "no such samples"
UNKNOWN_UNIT = "unknown"
# Which field names an element of a tuple, the first that is there; else it is numbered.
_NAMED_BY = ("class_name", "name")


def measures(comparison: Comparison) -> dict[str, Measure]:
    """Return every measure of a comparison by dotted name.

    Names follow the record's fields, however deep: ``flips.rate``, ``accuracy.change``,
    ``saliency.over_all.mean_absolute_deviation``, ``latency.speedup``, ``cross_cpu.flips.rate``; elements of a tuple stand
    by their own name, ``classes.<class>.change``, plug-in metrics by theirs, ``extra.<name>``
    (see :func:`~compress_onnx.gate.names.segment`). What was not measured is undefined with its
    reason, so that a rule on it is in doubt, not wrong.

    Derived are ``classes.worst.change``, ``footprint.file_ratio`` and ``footprint.zip_ratio``
    (candidate over baseline) and ``fusion.integer_fraction``.
    """
    named = dict(_below(comparison, ""))
    named[WORST] = worst_class_change(comparison.classes)
    named |= _ratios(comparison.footprint_baseline, comparison.footprint_candidate)
    named["fusion.integer_fraction"] = _integer_fraction(comparison)
    return dict(sorted(named.items()))


def _below(node: Any, path: str) -> Iterator[tuple[str, Measure]]:
    """Yield the measures of a record's fields under their names."""
    for name, hint in _hints(type(node)).items():
        value = getattr(node, name)
        if value is None:
            yield from ((path + below, _nothing(node, path)) for below in _names_in(hint, name))
        else:
            yield from _at(value, path + name)


def _at(value: Any, path: str) -> Iterator[tuple[str, Measure]]:
    if isinstance(value, Measure):
        yield path, value
    elif dataclasses.is_dataclass(value):
        yield from _below(value, f"{path}.")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _at(item, f"{path}.{segment(str(key))}")
    # Raw numbers come in tuples too; the first element tells.
    elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        for name, item in _named(value):
            yield from _at(item, f"{path}.{segment(name)}")


def _named(items: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Yield a tuple's elements with their names, a second one of the same name with its number."""
    seen: set[str] = set()
    for number, item in enumerate(items):
        own = next((getattr(item, field) for field in _NAMED_BY if hasattr(item, field)), str(number))
        name = f"{own}#{number}" if own in seen else str(own)
        seen.add(name)
        yield name, item


def _nothing(owner: Any, path: str) -> Measure:
    """Return what stands where a part is missing; its owner may know why."""
    reason = getattr(owner, "undefined_reason", None)
    fallback = NO_SAMPLES if path and hasattr(owner, "undefined_reason") else NOT_MEASURED
    return undefined(reason or fallback, unit=UNKNOWN_UNIT, better=Better.NEITHER)


def _hints(record: Any) -> dict[str, Any]:
    return typing.get_type_hints(record)


def _names_in(hint: Any, path: str) -> Iterator[str]:
    """Yield the names of the measures that a missing part of this type would have had."""
    for kind in typing.get_args(hint):
        if kind is Measure:
            yield path
        elif dataclasses.is_dataclass(kind):
            for name, below in _hints(kind).items():
                yield from [f"{path}.{name}"] if below is Measure else _names_in(below | None, f"{path}.{name}")


def _ratios(baseline: Footprint, candidate: Footprint) -> dict[str, Measure]:
    return {
        "footprint.file_ratio": _exact(candidate.file_bytes / baseline.file_bytes, "ratio", Better.LOWER),
        "footprint.zip_ratio": _exact(candidate.zip_bytes / baseline.zip_bytes, "ratio", Better.LOWER),
    }


def _integer_fraction(comparison: Comparison) -> Measure:
    if comparison.fusion is None:
        return undefined(NOT_MEASURED, unit="fraction", better=Better.HIGHER)
    return _exact(comparison.fusion.int8_fraction, "fraction", Better.HIGHER)


def _exact(value: float, unit: str, better: Better) -> Measure:
    interval = Interval(low=value, high=value, level=1.0, method="exact: counted, not sampled")
    return Measure(value=value, unit=unit, better=better, n=1, interval=interval)
