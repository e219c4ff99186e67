"""The measures of a comparison by dotted name, as a policy's rules write them."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import (
    Better,
    ClassResult,
    Comparison,
    Footprint,
    Measure,
    SaliencyGroup,
    SaliencyShift,
    undefined,
)


def measures(comparison: Comparison) -> dict[str, Measure]:
    """Return every measure of a comparison by dotted name.

    Names follow the record's fields: ``flips.rate``, ``accuracy.change``,
    ``classes.<class>.change``, ``confidence.ece_candidate``,
    ``saliency.over_all.mean_absolute_deviation``, ``latency.speedup``, ``cross_cpu.flips.rate`` (with
    ``--target``); plug-in metrics are ``extra.<name>``. Derived ones are ``classes.worst.change`` (the class that lost most),
    ``footprint.file_ratio`` and ``footprint.zip_ratio`` (candidate over baseline).
    """
    found = _unmeasured(comparison.saliency)
    for field in ("accuracy", "flips", "confidence", "saliency", "latency", "cross_cpu"):
        _collect(getattr(comparison, field), field, found)
    for result in comparison.classes:
        _collect(result, f"classes.{result.class_name}", found)
    found["classes.worst.change"] = worst_class_change(comparison.classes)
    found |= {f"extra.{name}": measure for name, measure in comparison.extra.items()}
    return found | _ratios(comparison.footprint_baseline, comparison.footprint_candidate)


def _unmeasured(shift: SaliencyShift | None) -> dict[str, Measure]:
    """Return the measures of empty groups: a rule on flips is in doubt, not wrong, where nothing flipped."""
    if shift is None:
        return {}
    nothing = undefined(shift.undefined_reason or "no such samples", unit="fraction", better=Better.NEITHER)
    groups = [name for name in ("over_all", "over_same", "over_flipped") if getattr(shift, name) is None]
    fields = [field.name for field in dataclasses.fields(SaliencyGroup) if field.name != "n"]
    return {f"saliency.{group}.{field}": nothing for group in groups for field in fields}


def _collect(node: object, name: str, found: dict[str, Measure]) -> None:
    if isinstance(node, Measure):
        found[name] = node
    elif dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            _collect(getattr(node, field.name), f"{name}.{field.name}", found)


def worst_class_change(classes: tuple[ClassResult, ...]) -> Measure:
    """Return the recall change of the class that lost most; undefined without labelled classes."""
    changes = [result.change for result in classes if result.change.value is not None]
    if not changes:
        return undefined("no class has labelled samples", unit="fraction", better=Better.HIGHER)
    return min(changes, key=lambda change: change.value or 0.0)


def _ratios(baseline: Footprint, candidate: Footprint) -> dict[str, Measure]:
    return {
        "footprint.file_ratio": _ratio(candidate.file_bytes, baseline.file_bytes),
        "footprint.zip_ratio": _ratio(candidate.zip_bytes, baseline.zip_bytes),
    }


def _ratio(after: int, before: int) -> Measure:
    return Measure(value=after / before, unit="ratio", better=Better.LOWER, n=1)
